// Command quantity writes the tables of golden/quantity-*.tsv: for texts read from standard input, one JSON string
// to a line, or with the argument "space" for texts with white space in and around them, it prints what the API
// server makes of a quantity of this text: the text, ok or error, the bytes and the canonical form.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "space" {
		spaces()
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal([]byte(lines.Text()), &text); err != nil {
			panic(err)
		}
		row(text)
	}
}

// row prints the row of one text. It goes through JSON, as a manifest does on its way to the API server.
func row(text string) {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	var quantity resource.Quantity
	if err := json.Unmarshal(encoded, &quantity); err != nil {
		fmt.Printf("%s\terror\t\t\n", encoded)
		return
	}
	value := quantity.Value()
	fmt.Printf("%s\tok\t%d\t%s\n", encoded, value, quantity.String())
}

func spaces() {
	numbers := []string{
		"", "0", "1", "1.5", ".5", "512Mi", "1.5Gi", "128m", "5n", "2u", "1k", "1M", "1G", "1T", "1P", "1E",
		"1Ki", "1Ti", "1Pi", "1Ei", "1e3", "1E3", "1e-3", "-1Gi", "+1Gi", "1MB", "Mi",
	}
	pads := []string{
		" ", "  ", "\t", "\n", "\r", "\r\n", "\v", "\f", " \t", "\u0000", "\u001f", "\u007f", "\u0085", "\u00a0",
		"\u1680", "\u180e", "\u2000", "\u2003", "\u200a", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
		"\ufeff",
	}
	for _, pad := range pads {
		for _, number := range numbers {
			row(pad + number)
			row(number + pad)
			row(pad + number + pad)
			if end := strings.IndexAny(number, "MGTPEKkmnue"); end > 0 {
				row(number[:end] + pad + number[end:])
			}
		}
	}
}
