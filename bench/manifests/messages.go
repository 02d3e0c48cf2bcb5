// What the program prints on stderr about files.
package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The messages about a file, by severity.
type messages struct {
	errors, warnings, notes []string
}

// An anchor that is copied: the text is not compared.
const writtenOut = " is written out here"

// Messages by file; `paths` are those of all files. Also whether there is an error at all.
func messagesOf(stderr []byte, paths map[string]bool) (map[string]*messages, bool) {
	found, hasErrors := map[string]*messages{}, false
	for _, line := range strings.Split(string(stderr), "\n") {
		severity, rest, _ := strings.Cut(line, ": ")
		if severity != "error" && severity != "warning" && severity != "note" {
			continue
		}
		hasErrors = hasErrors || severity == "error"
		path := file1(rest, paths)
		if path == "" {
			continue
		}
		of := found[path]
		if of == nil {
			of = &messages{}
			found[path] = of
		}
		switch severity {
		case "error":
			of.errors = append(of.errors, line)
		case "warning":
			of.warnings = append(of.warnings, line)
		default:
			of.notes = append(of.notes, line)
		}
	}
	return found, hasErrors
}

// The file that a message begins with.
func file1(message string, paths map[string]bool) string {
	message = strings.TrimPrefix(strings.TrimPrefix(message, "cannot read "), "./")
	for at := 0; ; {
		next := strings.Index(message[at:], ": ")
		if next < 0 {
			return ""
		}
		if at += next; paths[message[:at]] {
			return message[:at]
		}
		at++
	}
}

var (
	hasVersion = regexp.MustCompile(`(?m)^["']?apiVersion["']?\s*:`)
	hasKind    = regexp.MustCompile(`(?m)^["']?kind["']?\s*:`)
	isTemplate = regexp.MustCompile(`\{\{|\{%|<%`)
)

// What kubectl passes by without an error.
const notRead = " kubectl does not read this"

// The sentences of what docs/inject.md refuses although kubectl reads it, or passes it by.
var isRefused = regexp.MustCompile(`YAML parsers disagree|mean different things to YAML parsers|(?:kubectl|only kubectl) (?:reads|takes|writes|ends)` +
	"|" + notRead + `|ends a line for kubectl|is not supported; write|a number that Kubernetes cannot hold|copy more than`)

// The refusal of a file without workloads: nothing of it is injected, and an error names it.
func (m *messages) refusal(one *file) string {
	if m == nil || len(m.errors) != 1 || len(one.workloads()) > 0 || !isRefused.MatchString(m.errors[0]) {
		return ""
	}
	for _, document := range one.documents {
		if document.err != nil {
			return ""
		}
	}
	return m.errors[0]
}

// What is wrong with the messages about a file: everything that cannot be read has to be named, with the severity that the
// file deserves, and nothing else.
func messagesWrong(one *file, of *messages) []string {
	if of == nil {
		of = &messages{}
	}
	var broken []document
	isReallyManifest, isIll := true, false
	for _, document := range one.documents {
		if document.err != nil {
			broken = append(broken, document)
			isReallyManifest = isReallyManifest && hasVersion.Match(document.text) && hasKind.Match(document.text)
		}
		for _, workload := range workloads(document.value) {
			isIll = isIll || isIllTyped(workload)
		}
	}
	var notes []string
	for _, note := range of.notes {
		if !strings.Contains(note, writtenOut) {
			notes = append(notes, note)
		}
	}
	var wrong []string
	if len(broken) == 0 {
		notes = slices.DeleteFunc(notes, func(note string) bool { return strings.Contains(note, notRead) })
		if len(notes) > 0 || len(of.errors) > 0 && !isIll {
			wrong = append(wrong, fmt.Sprintf("kubectl reads it: %s", strings.Join(append(notes, of.errors...), "; ")))
		}
		return wrong
	}
	if len(notes)+len(of.warnings)+len(of.errors) == 0 {
		return []string{fmt.Sprintf("nothing names it, although it cannot be read: %v", broken[0].err)}
	}
	mayBeManifest := bytes.Contains(one.text, []byte("apiVersion")) && bytes.Contains(one.text, []byte("kind"))
	if len(of.errors) > 0 && !mayBeManifest {
		wrong = append(wrong, fmt.Sprintf("an error, although it is no manifest: %s", of.errors[0]))
	}
	if len(of.errors)+len(of.warnings) == 0 && isReallyManifest && !isTemplate.Match(one.text) {
		wrong = append(wrong, fmt.Sprintf("only a note, although it is a manifest: %s", notes[0]))
	}
	return wrong
}
