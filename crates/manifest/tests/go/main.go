// Command manifests writes ../kubectl.tsv: hostile manifests, and what kubectl makes of them. A row has the text and the
// objects that kubectl would apply, each as one JSON value, and "error" if kubectl stops before the end of the text. The
// reading is that of kubectl itself: the builder of k8s.io/cli-runtime, with lists flattened.
//
//	go run .                the table
//	go run . sweep SEED N   N rows of random mutations, for a longer look
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
)

func main() {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	if len(os.Args) == 4 && os.Args[1] == "sweep" {
		sweep(out, number(os.Args[2]), int(number(os.Args[3])))
		return
	}
	for _, text := range append(cases(), streams()...) {
		row(out, text)
	}
	sweep(out, 1, 400)
}

func number(text string) uint64 {
	value, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		panic(err)
	}
	return value
}

func row(out *bufio.Writer, text string) {
	objects, end := read(text)
	out.WriteString(encode(text) + "\t" + encode(objects) + "\t" + end + "\n")
}

// encode is JSON without the escapes for HTML.
func encode(value any) string {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	// A line of the table is a line for everybody.
	escaped := strings.NewReplacer("\u0085", `\u0085`, "\u2028", `\u2028`, "\u2029", `\u2029`, "\ufeff", `\ufeff`)
	return escaped.Replace(strings.TrimSuffix(buffer.String(), "\n"))
}

// read does what `kubectl apply -f` does before it asks the API server.
func read(text string) ([]any, string) {
	builder := resource.NewLocalBuilder().Unstructured().ContinueOnError().Stream(strings.NewReader(text), "case")
	infos, err := builder.Flatten().Do().Infos()
	objects := []any{}
	for _, info := range infos {
		objects = append(objects, info.Object.(*unstructured.Unstructured).Object)
	}
	if err != nil {
		return objects, "error"
	}
	return objects, "ok"
}
