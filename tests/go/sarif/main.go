// Compares a log of SARIF on stdin with the schema of SARIF 2.1.0, and prints what the types of the standard take of it.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
)

func run() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	report, err := sarif.FromBytes(text)
	if err != nil {
		return err
	}
	if err := report.Validate(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
