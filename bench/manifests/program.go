// Runs programs with a deadline, and measures them.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// What came of one run.
type outcome struct {
	stdout, stderr []byte
	code           int
	isHung         bool
	seconds        float64
	// The most memory that it had, in bytes.
	peak int64
}

func (o outcome) String() string {
	return fmt.Sprintf("%6.2f s  %5d MB", o.seconds, o.peak/1_000_000)
}

// How long a program that was killed may keep its output open.
const waitDelay = 5 * time.Second

// The first argument of this program if it only runs another one and writes the memory of that to file 3. A process that
// this one starts inherits its own peak, so that a small one has to be between them.
const measureArgument = "measure"

func run(deadline time.Duration, folder string, stdin []byte, program string, arguments ...string) (outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	peak, peakEnd, err := os.Pipe()
	if err != nil {
		return outcome{}, err
	}
	defer peak.Close()
	command := exec.CommandContext(ctx, os.Args[0], append([]string{measureArgument, program}, arguments...)...)
	command.Dir = folder
	command.WaitDelay = waitDelay
	command.Stdin = bytes.NewReader(stdin)
	command.ExtraFiles = []*os.File{peakEnd}
	// Both processes end at the deadline.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	command.Env = append(os.Environ(), "KUBECONFIG=/dev/null", "NO_COLOR=1")
	started := time.Now()
	err = command.Run()
	peakEnd.Close()
	found := outcome{stdout: stdout.Bytes(), stderr: stderr.Bytes(), seconds: time.Since(started).Seconds()}
	found.isHung = ctx.Err() != nil
	var exit *exec.ExitError
	if err != nil && !found.isHung && !errors.As(err, &exit) {
		return found, err
	}
	found.code = command.ProcessState.ExitCode()
	if !found.isHung {
		if _, err := fmt.Fscan(peak, &found.peak); err != nil {
			return found, fmt.Errorf("cannot run %s: %s", program, stderr.Bytes())
		}
	}
	return found, nil
}

// Runs a program with the files of this one, and writes its peak memory in bytes to file 3. Returns its exit code.
func measure(program string, arguments []string) int {
	command := exec.Command(program, arguments...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	usage, _ := command.ProcessState.SysUsage().(*syscall.Rusage)
	fmt.Fprintln(os.NewFile(3, "peak"), usage.Maxrss*1024)
	return command.ProcessState.ExitCode()
}

// Copies the files to another folder, what a link leads to in the place of the link.
func copyTo(from, to string, paths []string) error {
	for _, path := range paths {
		source, target := filepath.Join(from, path), filepath.Join(to, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		text, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The files of a folder by path.
func contents(root string, paths []string) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return nil, err
		}
		found[path] = text
	}
	return found, nil
}
