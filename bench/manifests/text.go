// Compares texts: of a changed file only lines of the injection may differ.
package main

import (
	"fmt"
	"regexp"
	"strings"
)

// What an injection writes, in YAML and in JSON.
var ours = regexp.MustCompile(`["']?gomemlimit\.dev/status["']?\s*:\s*('[^']*'|"(\\.|[^"\\])*")` +
	`|["']?name["']?\s*:\s*["']?GOMEMLIMIT["']?` +
	`|["']?value["']?\s*:\s*["'][0-9]+["']` +
	`|["']?\b(env|annotations|metadata)["']?\s*:`)

// What it writes between that, and the empty values that it replaces.
var structure = regexp.MustCompile(`\bnull\b|[][{},:"'\s-]`)

// The lines without what an injection writes.
func rest(lines []string) string {
	return structure.ReplaceAllString(ours.ReplaceAllString(strings.Join(lines, "\n"), ""), "")
}

// What is wrong with a diff of no context lines. Anything but ours must be in the lines before and after, in the same order:
// comments, too.
func linesWrong(diff string) []string {
	var wrong []string
	var removed, added []string
	finish := func() {
		if was, is := rest(removed), rest(added); was != is {
			wrong = append(wrong, fmt.Sprintf("other lines changed: -%.200q +%.200q", was, is))
		}
		removed, added = nil, nil
	}
	inHunk := false
	for _, line := range strings.Split(diff, "\n") {
		switch {
		case strings.HasPrefix(line, "@@ "):
			finish()
			inHunk = true
		case inHunk && strings.HasPrefix(line, "-"):
			removed = append(removed, line[1:])
		case inHunk && strings.HasPrefix(line, "+"):
			added = append(added, line[1:])
		}
	}
	finish()
	return wrong
}

// What changed in a file beside the lines of the injection, by git's diff.
func textWrong(before, after string) ([]string, error) {
	found, err := run(treeDeadline, ".", nil, "git", "diff", "--no-index", "--no-color", "--no-ext-diff", "--text", "-U0",
		before, after)
	if err != nil {
		return nil, err
	}
	if found.code > 1 || found.code < 0 {
		return nil, fmt.Errorf("git diff: exit code %d: %s", found.code, lastLines(found.stderr))
	}
	return linesWrong(string(found.stdout)), nil
}
