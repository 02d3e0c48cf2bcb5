package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The faults of the program that these tests run in the place of gomemlimit.
const faultVariable = "FAULT_OF_THE_PROGRAM"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == measureArgument {
		os.Exit(measure(os.Args[2], os.Args[3:]))
	}
	if fault, isProgram := os.LookupEnv(faultVariable); isProgram {
		os.Exit(program(fault, os.Args[1:]))
	}
	os.Exit(m.Run())
}

const shop = `# The shop.
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers:
      - name: api # Go
        resources: {limits: {memory: 100Mi}}
      - name: own
        resources: {limits: {memory: 100Mi}}
        env: [{name: GOMEMLIMIT, value: "1000000"}]
      - name: open
`

const injectedShop = `# The shop.
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    metadata:
      annotations:
        gomemlimit.dev/status: '{"version":1,"containers":{"api":{"value":"94371840","limit":104857600,"ratio":"0.9","headroom":0,"kind":"literal","source":"default"},"own":{"skipped":"already-set"},"open":{"skipped":"no-memory-limit"}}}'
    spec:
      containers:
      - name: api # Go
        resources: {limits: {memory: 100Mi}}
        env:
        - name: GOMEMLIMIT
          value: "94371840"
      - name: own
        resources: {limits: {memory: 100Mi}}
        env: [{name: GOMEMLIMIT, value: "1000000"}]
      - name: open
`

const (
	configMap  = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\ndata: {a: b} # b\n"
	broken     = "apiVersion: v1\nkind: Pod\nspec: {\n"
	explained1 = `{"objects": [{"file": "b.yaml", "kind": "Deployment", "namespace": "default", "name": "shop", "containers": [
		{"name": "api", "list": "containers", "reason": "REASON", "limit": 104857600, "bytes": 94371840},
		{"name": "own", "list": "containers", "reason": "already-set", "limit": 104857600, "bytes": null},
		{"name": "open", "list": "containers", "reason": "no-memory-limit", "limit": null, "bytes": null}]}]}`
)

// Each fault, and what has to be found of it.
var faults = []struct{ name, found string }{
	{"", ""},
	{"wrong value", "the variable is map[name:GOMEMLIMIT value:94371841], not 94371840"},
	{"wrong status", "the status of api is"},
	{"status lacks one", "the status of open is"},
	{"value twice", "GOMEMLIMIT is there 2 times"},
	{"value of the user", "something else changed: .spec.template.spec.containers[1].env[0].value"},
	{"value without limit", "something else changed: .spec.template.spec.containers[2].env is new"},
	{"lost container", "something else changed"},
	{"lost document", "changed, although there is nothing to inject"},
	{"other field", "changed, although there is nothing to inject"},
	{"other field of the pod", "something else changed: .metadata"},
	{"comment", "other lines changed"},
	{"order of keys", "other lines changed"},
	{"broken document", "changed, although there is nothing to inject"},
	{"stream: lost object", "2 objects became 1"},
	{"stream: no separator", "2 objects became 1"},
	{"stream: broken", "kubectl's decoder: "},
	{"json: lost object", "2 objects became 1"},
	{"json: not injected", "status \"\": "},
	{"yaml: lost object", "2 objects became 1"},
	{"explain: other reason", "explain has containers api: opted-out"},
	{"explain: lost container", "explain has 2 containers, not 3"},
	{"explain: other name", "explain has Deployment default/other"},
	{"explain: no report", "explain -o json: "},
	{"second run: updated", "explain has containers api: updated"},
	{"second run: file", "a second run changed it"},
	{"second run: diff", "the diff of a second run is not empty"},
	{"diff: does not apply", "git apply: error"},
	{"diff: lacks a file", "git apply of the diff and --in-place differ"},
	{"silent", "nothing names it"},
	{"note for a manifest", "only a note, although it is a manifest"},
	{"error for a good file", "kubectl reads it: error: c.yaml"},
	{"green", "exit code 0, not 2"},
	{"file: not injected", "b.yaml by itself"},
	{"hang: explain", "HANG"},
	{"hang: inject", "HANG"},
	{"hang: file", "HANG"},
}

func TestEveryFaultIsFound(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"a.yaml": broken, "b.yaml": shop, "c.yaml": configMap} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			t.Setenv(faultVariable, fault.name)
			b := newBench()
			b.program = os.Args[0]
			b.fileDeadline, b.treeDeadline = 30*time.Second, 30*time.Second
			if strings.HasPrefix(fault.name, "hang") {
				b.fileDeadline, b.treeDeadline = 300*time.Millisecond, 300*time.Millisecond
			}
			printed := output(t, func() {
				if err := b.repository(root); err != nil {
					t.Error(err)
				}
			})
			isFound := b.totals.differences+b.totals.hangs > 0
			if isFound != (fault.name != "") || !strings.Contains(printed, fault.found) {
				t.Errorf("%d differences, %d hangs, not %q:\n%s", b.totals.differences, b.totals.hangs, fault.found, printed)
			}
			if strings.HasPrefix(fault.name, "hang") != (b.totals.hangs > 0) {
				t.Errorf("%d hangs", b.totals.hangs)
			}
			if b.totals.values != 1 || b.totals.changed != 1 || b.totals.unreadable != 1 {
				t.Errorf("%+v", b.totals)
			}
		})
	}
}

// Everything that is printed meanwhile.
func output(t *testing.T, do func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = file
	do()
	os.Stdout = stdout
	file.Close()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The program: everything right, but for one fault.
func program(fault string, arguments []string) int {
	line := strings.Join(arguments, " ")
	if fault == "hang: explain" && arguments[0] == "explain" || fault == "hang: file" && line == "inject -f b.yaml" ||
		fault == "hang: inject" && line == "inject -R -f ." {
		time.Sleep(time.Minute)
	}
	if arguments[0] == "explain" {
		fmt.Println(explain(fault))
		return 0
	}
	code := 0
	switch line {
	case "inject -R -f . --in-place":
		for _, name := range names() {
			text := readFile(name)
			if fault == "second run: file" && text == injectedShop {
				text += "# again\n"
			}
			writeFile(name, changed(fault, text))
		}
	case "inject -R -f . --diff":
		diff(fault)
	case "inject -R -f . -o json":
		printList(fault)
		return 0
	case "inject -R -f .", "inject -R -f . -o yaml":
		code = printAll(fault, line)
	case "inject -f -":
		text, _ := io.ReadAll(os.Stdin)
		fmt.Print(string(text))
	default:
		text := readFile(arguments[2])
		if fault != "file: not injected" {
			text = changed(fault, text)
		}
		fmt.Print(text)
		if arguments[2] == "a.yaml" {
			fmt.Fprintln(os.Stderr, "error: a.yaml: document 1, line 3, column 7: unclosed bracket '{'")
			return 2
		}
	}
	return code
}

func names() []string {
	found, _ := filepath.Glob("*.yaml")
	return found
}

func readFile(name string) string {
	text, _ := os.ReadFile(name)
	return string(text)
}

func writeFile(name, text string) {
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		panic(err)
	}
}

// What becomes of a file.
func changed(fault, text string) string {
	one := func(old, replacement string) string { return strings.Replace(injectedShop, old, replacement, 1) }
	switch text {
	case shop:
		switch fault {
		case "wrong value":
			return one(`value: "94371840"`, `value: "94371841"`)
		case "wrong status":
			return one(`"value":"94371840"`, `"value":"94371841"`)
		case "status lacks one":
			return one(`,"open":{"skipped":"no-memory-limit"}`, "")
		case "value twice":
			return one("- name: GOMEMLIMIT\n", "- {name: GOMEMLIMIT, value: \"94371840\"}\n        - name: GOMEMLIMIT\n")
		case "value of the user":
			return one(`"1000000"`, `"94371840"`)
		case "value without limit":
			return injectedShop + "        env: [{name: GOMEMLIMIT, value: \"94371840\"}]\n"
		case "lost container":
			return one("      - name: open\n", "")
		case "other field of the pod":
			return one("metadata: {name: shop}", "metadata: {name: shop, labels: {a: b}}")
		case "comment":
			return one(" # Go", "")
		case "order of keys":
			return one("apiVersion: apps/v1\nkind: Deployment\n", "kind: Deployment\napiVersion: apps/v1\n")
		}
		return injectedShop
	case configMap:
		switch fault {
		case "lost document":
			return ""
		case "other field":
			return strings.Replace(text, "a: b", "a: c", 1)
		}
	case broken:
		if fault == "broken document" {
			return ""
		}
	}
	return text
}

func isAgain() bool { return readFile("b.yaml") != shop }

func explain(fault string) string {
	reason := "injected"
	if isAgain() {
		reason = "kept"
	}
	report := strings.Replace(explained1, "REASON", reason, 1)
	switch fault {
	case "explain: other reason":
		return strings.Replace(report, reason, "opted-out", 1)
	case "explain: lost container":
		return strings.Replace(report, `{"name": "api", "list": "containers", "reason": "`+reason+`", "limit": 104857600, "bytes": 94371840},`, "", 1)
	case "explain: other name":
		return strings.Replace(report, `"name": "shop"`, `"name": "other"`, 1)
	case "explain: no report":
		return ""
	case "second run: updated":
		return strings.Replace(report, "kept", "updated", 1)
	}
	return report
}

func diff(fault string) {
	if isAgain() {
		if fault == "second run: diff" {
			fmt.Println("--- a/b.yaml")
		}
		return
	}
	if fault == "diff: lacks a file" {
		return
	}
	folder, _ := os.MkdirTemp("", "diff-")
	defer os.RemoveAll(folder)
	after := filepath.Join(folder, "after")
	writeFile(after, changed(fault, shop))
	printed, _ := exec.Command("git", "diff", "--no-index", "b.yaml", after).Output()
	lines := strings.Split(string(printed), "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "--- "):
			lines[i] = "--- a/b.yaml"
		case strings.HasPrefix(line, "+++ "):
			lines[i] = "+++ b/b.yaml"
		case fault == "diff: does not apply" && strings.HasPrefix(line, " "):
			lines[i] = " something else"
		}
	}
	// Without git's own header.
	for len(lines) > 0 && !strings.HasPrefix(lines[0], "--- ") {
		lines = lines[1:]
	}
	fmt.Print(strings.Join(lines, "\n"))
}

func injectedObjects() []any {
	var found []any
	for _, name := range names() {
		found = append(found, values(documents([]byte(changed("", readFile(name)))))...)
	}
	return found
}

func printList(fault string) {
	items := injectedObjects()
	if fault == "json: lost object" {
		items = items[1:]
	}
	if fault == "json: not injected" {
		items = values(documents([]byte(shop + "---\n" + configMap)))
	}
	text, _ := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	fmt.Println(string(text))
}

func printAll(fault, line string) int {
	isYAML := strings.HasSuffix(line, "yaml")
	code, separator := 0, "---\n"
	if fault == "stream: no separator" && !isYAML {
		separator = ""
	}
	for _, name := range names() {
		text := readFile(name)
		isLost := fault == "stream: lost object" && !isYAML || fault == "yaml: lost object" && isYAML
		if isLost && text == configMap {
			continue
		}
		fmt.Print(separator + changed("", text))
		if text == broken {
			code = 2
			switch fault {
			case "silent":
				fmt.Fprintln(os.Stderr, "error: 1 of 3 files could not be read or decided as a whole")
			case "note for a manifest":
				code = 0
				fmt.Fprintln(os.Stderr, "note: a.yaml: document 1, line 3, column 7: unclosed bracket '{'")
			default:
				fmt.Fprintln(os.Stderr, "error: a.yaml: document 1, line 3, column 7: unclosed bracket '{'")
			}
		}
		if fault == "error for a good file" && text == configMap {
			fmt.Fprintln(os.Stderr, "error: c.yaml: document 1, line 1, column 1: a word")
		}
	}
	if fault == "stream: broken" && !isYAML {
		fmt.Print("---\na: [\n")
	}
	if fault == "green" {
		return 0
	}
	return code
}

// Quantities, by hand: 90 % of the bytes, rounded down.
func TestValues(t *testing.T) {
	for memory, wanted := range map[string]int64{
		"32Mi": 30198988, "100M": 90000000, "1Gi": 966367641, "1e9": 900000000, "33554433": 30198989, "1.5Gi": 1449551462,
		"1073741824500m": 966367642, "31Mi": 0, "0": 0, "128MiB": 0, "-1Gi": 0,
	} {
		pod := fmt.Sprintf("kind: Pod\napiVersion: v1\nspec: {containers: [{name: a, resources: {limits: {memory: %q}}}]}", memory)
		decisions := surroundings{}.decide(workloads(documents([]byte(pod))[0].value)[0])
		if len(decisions) != 1 || decisions[0].value != wanted {
			t.Errorf("%s: %+v, not %d", memory, decisions, wanted)
		}
	}
}

func TestOnlyLinesOfTheInjectionMayDiffer(t *testing.T) {
	for _, one := range []struct {
		diff    string
		isRight bool
	}{
		{"@@ -1 +1,2 @@\n-  env: []\n+  env:\n+  - name: GOMEMLIMIT\n+    value: \"1\"\n", true},
		{"@@ -1 +1 @@\n-{\"name\":\"x\"}\n+{\"name\":\"x\",\"env\":[{\"name\":\"GOMEMLIMIT\",\"value\":\"1\"}]}\n", true},
		{"@@ -1 +1 @@\n-- {name: x} # c\n+- {name: x, env: [{name: GOMEMLIMIT, value: \"1\"}]} # c\n", true},
		{"@@ -1 +1 @@\n-- {name: x} # c\n+- {name: x, env: [{name: GOMEMLIMIT, value: \"1\"}]}\n", false},
		{"@@ -1 +1 @@\n-- {name: x}\n+- {name: y, env: [{name: GOMEMLIMIT, value: \"1\"}]}\n", false},
		{"@@ -1 +0,0 @@\n-# c\n@@ -9,0 +9 @@\n+# c\n", false},
		{"@@ -0,0 +1 @@\n+    \"gomemlimit.dev/status\": \"{\\\"version\\\":1}\"\n", true},
	} {
		if wrong := linesWrong(one.diff); (len(wrong) == 0) != one.isRight {
			t.Errorf("%s: %v", one.diff, wrong)
		}
	}
}

// The memory is that of the program, and not of this one.
func TestMemoryIsThatOfTheProgram(t *testing.T) {
	large := make([]byte, 256<<20)
	for i := 0; i < len(large); i += 4096 {
		large[i] = 1
	}
	found, err := run(30*time.Second, ".", large[:1], "git", "version")
	if err != nil || found.code != 0 || found.peak == 0 || found.peak > 64<<20 {
		t.Errorf("%v, exit code %d, %d bytes", err, found.code, found.peak)
	}
	if _, err := run(30*time.Second, ".", nil, "there-is-no-such-program"); err == nil {
		t.Error("no error")
	}
	runtime.KeepAlive(large)
}

func TestARefusalIsNoDifferenceWithoutWorkloads(t *testing.T) {
	error1 := "error: a.yaml: document 1, line 1, column 1: YAML parsers disagree about this text between brackets; put it in quotes"
	for text, isRefusal := range map[string]bool{configMap: true, shop: false, broken: false} {
		one := &file{path: "a.yaml", documents: documents([]byte(text))}
		if found := (&messages{errors: []string{error1}}).refusal(one); (found != "") != isRefusal {
			t.Errorf("%s: %q", text, found)
		}
		if found := (&messages{errors: []string{"error: a.yaml: a word"}}).refusal(one); found != "" {
			t.Errorf("%s: %q", text, found)
		}
	}
}
