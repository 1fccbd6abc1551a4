import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;

/**
 * Runs checks and tells a line for each: Interop HOST PORT CONTROL_PORT warren|rabbitmq. The last
 * line sums up.
 */
final class Check {
    static final int PATIENCE_MILLISECONDS = 30_000;

    final String host;
    final int port;
    private final int controlPort;
    private final String broker;
    private final List<Named> all = new ArrayList<>();
    private int names;

    interface Body {
        void run() throws Exception;
    }

    private record Named(String name, String only, Body body) {}

    private static final class Skip extends Exception {
        private static final long serialVersionUID = 1;

        Skip(String reason) {
            super(reason);
        }
    }

    Check(String[] arguments) {
        host = arguments[0];
        port = Integer.parseInt(arguments[1]);
        controlPort = Integer.parseInt(arguments[2]);
        broker = arguments[3];
    }

    void add(String name, Body body) {
        all.add(new Named(name, broker, body));
    }

    void onlyWarren(String name, Body body) {
        all.add(new Named(name, "warren", body));
    }

    /** Runs all checks, in order; the exit code. */
    int run() {
        int passed = 0;
        int failed = 0;
        int skipped = 0;
        for (Named check : all) {
            try {
                if (!check.only.equals(broker)) {
                    throw new Skip("only " + check.only + " has it");
                }
                check.body.run();
                passed++;
                System.out.println("ok: " + check.name);
            } catch (Skip skip) {
                skipped++;
                System.out.println("skipped: " + check.name + ": " + skip.getMessage());
            } catch (Throwable error) {
                failed++;
                error.printStackTrace(System.out);
                String text = String.valueOf(error).replace('\n', ' ');
                System.out.println("FAILED: " + check.name + ": " + text);
            }
        }
        System.out.printf("%d passed, %d failed, %d skipped%n", passed, failed, skipped);
        return failed == 0 && passed > 0 ? 0 : 1;
    }

    /** What a check throws that cannot be made. */
    static Exception skip(String reason) {
        return new Skip(reason);
    }

    String unique(String stem) {
        names++;
        return stem + "-" + Long.toString(System.nanoTime(), 36) + "-" + names;
    }

    /** The first value that is neither null nor false. */
    static <T> T eventually(String what, Callable<T> probe) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MILLISECONDS;
        while (true) {
            T value = probe.call();
            if (value != null && !Boolean.FALSE.equals(value)) {
                return value;
            }
            if (System.currentTimeMillis() > deadline) {
                throw new AssertionError("it did not come about that " + what);
            }
            Thread.sleep(20);
        }
    }

    static void equal(Object found, Object expected) {
        if (!Objects.equals(found, expected)) {
            throw new AssertionError("found " + found + ", expected " + expected);
        }
    }

    static void that(boolean condition, Object told) {
        if (!condition) {
            throw new AssertionError(String.valueOf(told));
        }
    }

    /** Asks the harness for restart, kill, block or unblock of the broker. */
    void control(String command) throws Exception {
        try (Socket socket = new Socket(host, controlPort)) {
            socket.getOutputStream().write((command + "\n").getBytes(StandardCharsets.UTF_8));
            InputStreamReader bytes = new InputStreamReader(socket.getInputStream());
            String answer = new BufferedReader(bytes).readLine();
            if ("unavailable".equals(answer)) {
                throw new Skip("the harness cannot do it here");
            }
            equal(answer, "ok");
        }
    }
}
