package main

import (
	"fmt"
	"strconv"
	"strings"
)

// size is a number of bytes that flags write as 4096, 64KiB, 150MiB or 2GiB.
type size int64

var units = []struct {
	suffix string
	bytes  size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String writes the largest unit that the size is a whole number of.
func (s *size) String() string {
	for _, unit := range units {
		if *s != 0 && *s%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", *s/unit.bytes, unit.suffix)
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Set reads one of the forms above.
func (s *size) Set(text string) error {
	number, factor := text, size(1)
	for _, unit := range units {
		if rest, found := strings.CutSuffix(text, unit.suffix); found {
			number, factor = rest, unit.bytes
			break
		}
	}
	value, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not a size such as 4096, 64KiB or 150MiB", text)
	}
	*s = size(value) * factor
	return nil
}
