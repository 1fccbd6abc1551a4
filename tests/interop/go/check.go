package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"time"
)

// What the program shares with none but itself: PROGRAM HOST PORT CONTROL_PORT warren|rabbitmq.
// Each check prints a line, and the last line sums up.

const patience = 30 * time.Second

var (
	host, port, controlPort, broker string
	passed, failed, skipped, names  int
)

// failure is what a check panics with.
type failure string

// skip is what a check panics with that cannot be made.
type skip string

func unique(stem string) string {
	names++
	return fmt.Sprintf("%s-%x-%d", stem, time.Now().UnixNano(), names)
}

func must(err error) {
	if err != nil {
		panic(failure(err.Error()))
	}
}

func got[T any](value T, err error) T {
	must(err)
	return value
}

func that(condition bool, told ...any) {
	if !condition {
		panic(failure(fmt.Sprintln(told...)))
	}
}

func equal(found, expected any) {
	that(reflect.DeepEqual(found, expected), "found", found, "expected", expected)
}

// eventually calls the probe until it is true.
func eventually(what string, probe func() bool) {
	deadline := time.Now().Add(patience)
	for !probe() {
		that(time.Now().Before(deadline), "it did not come about that", what)
		time.Sleep(20 * time.Millisecond)
	}
}

// receive waits for a value, but not for ever.
func receive[T any](what string, channel <-chan T) T {
	select {
	case value := <-channel:
		return value
	case <-time.After(patience):
		panic(failure("it did not come: " + what))
	}
}

// control asks the harness for restart, kill, block or unblock of the broker.
func control(command string) {
	stream := got(net.Dial("tcp", net.JoinHostPort(host, controlPort)))
	defer stream.Close()
	got(fmt.Fprintln(stream, command))
	answer := strings.TrimSpace(got(bufio.NewReader(stream).ReadString('\n')))
	if answer == "unavailable" {
		panic(skip("the harness cannot do it here"))
	}
	equal(answer, "ok")
}

func run(name string, body func()) {
	defer func() {
		switch told := recover().(type) {
		case nil:
			passed++
			fmt.Println("ok:", name)
		case skip:
			skipped++
			fmt.Printf("skipped: %s: %s\n", name, string(told))
		default:
			failed++
			debug.PrintStack()
			text := strings.ReplaceAll(strings.TrimSpace(fmt.Sprint(told)), "\n", " ")
			fmt.Printf("FAILED: %s: %s\n", name, text)
		}
	}()
	body()
}

func onlyWarren() {
	if broker != "warren" {
		panic(skip("only warren has it"))
	}
}

func main() {
	host, port, controlPort, broker = os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	all()
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}
