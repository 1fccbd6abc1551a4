// A broker of its own: a process in a folder and on ports of its own.
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs/promises");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");

const { eventually } = require("./wait.js");

const LOG_LINES_SHOWN = 60;
// Small segments: a fresh broker should not write 64 MiB of zeros.
const CONFIG = "[storage]\nsegment_bytes = 1048576\nspare_segments = 1\n";

class Broker {
  // `config`: lines for the head of the configuration file.
  static async start({ config = "" } = {}) {
    const program = process.env.WARREN_BIN;
    if (!program) throw new Error("WARREN_BIN names no program: run `cargo xtask browser`");
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), "warren-browser-"));
    await fs.writeFile(path.join(folder, "warren.toml"), `${config}\n${CONFIG}`);
    const log = await fs.open(path.join(folder, "broker.log"), "a");
    const words = ["server", "--config", "warren.toml", "--data-dir", "data"];
    words.push("--amqp-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0");
    const child = spawn(program, words, { cwd: folder, stdio: ["ignore", log.fd, log.fd] });
    await log.close();
    const broker = new Broker(folder, child);
    try {
      await broker.#started();
    } catch (error) {
      const tail = await broker.log();
      await broker.stop();
      throw new Error(`the broker did not start: ${error.message}\n${tail}`);
    }
    return broker;
  }

  constructor(folder, child) {
    this.folder = folder;
    this.child = child;
    this.pid = child.pid;
    this.ended = new Promise((done) => {
      child.once("exit", done);
      child.once("error", done);
    });
    // Whoever is ended without warning takes its broker along.
    this.atExit = () => child.kill("SIGKILL");
    process.once("exit", this.atExit);
  }

  // Where AMQP is served, for a client.
  amqp(user = "guest", password = "guest", vhost = "/") {
    const [name, secret] = [user, password].map(encodeURIComponent);
    return `amqp://${name}:${secret}@${this.amqpAddress}/${encodeURIComponent(vhost)}`;
  }

  // The last lines of what the broker wrote.
  async log() {
    const text = await fs.readFile(path.join(this.folder, "broker.log"), "utf8").catch(() => "");
    return text.split("\n").slice(-LOG_LINES_SHOWN).join("\n");
  }

  // Processor time that the broker has used, in seconds.
  async processorSeconds() {
    const text = await fs.readFile(`/proc/${this.pid}/stat`, "utf8");
    // The name of the program, in brackets, may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const TICKS_PER_SECOND = 100;
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  // Ends the process, whose data nobody wants any more.
  async stop() {
    process.off("exit", this.atExit);
    this.child.kill("SIGKILL");
    await this.ended;
    await fs.rm(this.folder, { recursive: true, force: true });
  }

  async #started() {
    const place = path.join(this.folder, "data", "listeners.json");
    const listeners = await eventually("the broker tells its addresses", async () => {
      if (this.child.exitCode !== null) throw new Error(`it ended with ${this.child.exitCode}`);
      const text = await fs.readFile(place, "utf8").catch(() => "{}");
      try {
        const found = JSON.parse(text);
        return found.pid === this.pid ? found : null;
      } catch {
        // It is being written.
        return null;
      }
    });
    this.amqpAddress = listeners.amqp;
    this.url = `http://${listeners.http}`;
    await eventually("the broker accepts", () => accepts(listeners.amqp));
  }
}

function accepts(address) {
  const [host, port] = address.split(":");
  return new Promise((done) => {
    const socket = net.connect(Number(port), host);
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}

module.exports = { Broker };
