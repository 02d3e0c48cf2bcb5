package main

import (
	"bufio"
	"math/rand/v2"
	"strings"
)

// Texts that are mutated: where one character more may hide a pod, a container or a document, or show one.
var seeds = []string{
	pod, pod + "---\n" + pod,
	"apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    apiVersion: v1\n    kind: Pod\n  b: >-\n    text\n    more\n",
	"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec: {containers: [{name: a, image: \"x\"}]}\n",
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{\"containers\":[{\"name\":\"a\"}]}}\n{\"kind\":\"B\"}\n",
	"x: &x {kind: Pod, apiVersion: v1}\n<<: *x\nspec:\n  containers: &c\n  - name: a\n  - {name: 'b', args: [\"c d\", 'e']}\n  init: *c\n",
	"# head\n---\n# c\nkind: A # c\nspec:\n  ? a\n  : b\n  \"c\": 'd'\n...\n---\nkind: !!str B\n",
	"kind: A\n...\n# c\n%YAML 1.1\n---\n\ufeffapiVersion: v1\nkind: Pod\nspec: {containers: [{name: a}]}\nspec: {containers: [{name: b, name: c}]}\ndata: |\n  a",
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{\"containers\":[{\"name\":\"a\",\"name\":\"b\"}]}} # c\n---\n# d\nkind: A\n---\n{\"kind\":\"B\"}\n",
	"null\n---\nkind: \"A\"\nspec: {a: [1, 2, {b: c}], d: \"e\\n\\\n  f\"}\n",
}

// What is put in.
var pieces = []string{
	"\n", "\n", " ", " ", "  ", "\t", "\r", "\r\n", "\u0085", "\u2028", "\u2029", "\u00a0", "\ufeff", "\x00", "\v", "\u007f", "#", " #", "# ", ":", ": ", " :", "- ", "-", "? ", "?", ",", ", ",
	"[", "]", "{", "}", "\"", "'", "\\", "|\n", "|-\n", ">\n", "&a ", "*a", "!a ", "! ", "!!str ", "!!binary ", "!!int ", "<<: ", "---\n", "\n---\n", "--- ", "...\n", "%YAML 1.1\n", "%TAG ! tag:yaml.org,2002:\n",
	"kind: Pod\n", "apiVersion: v1\n", "{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}\n", "a: 1\n", "- a\n", "null\n", "~", "1", "0x1", "1e3", "@", "`", "%", "=", "\\u0050", "é", "😀",
}

func sweep(out *bufio.Writer, seed uint64, rows int) {
	random := rand.New(rand.NewPCG(seed, 19))
	for range rows {
		text := seeds[random.IntN(len(seeds))]
		for range 1 + random.IntN(3) {
			text = mutate(random, text)
		}
		row(out, text)
	}
}

func mutate(random *rand.Rand, text string) string {
	runes := []rune(text)
	at := random.IntN(len(runes) + 1)
	piece := pieces[random.IntN(len(pieces))]
	rest := runes[at:]
	switch random.IntN(6) {
	case 0:
		// In the place of a character.
		if len(rest) > 0 {
			rest = rest[1:]
		}
	case 1:
		// Without some.
		piece, rest = "", rest[min(len(rest), 1+random.IntN(3)):]
	case 2:
		// A line once more, at another place.
		lines := strings.SplitAfter(text, "\n")
		piece = lines[random.IntN(len(lines))]
	}
	return string(runes[:at]) + piece + string(rest)
}
