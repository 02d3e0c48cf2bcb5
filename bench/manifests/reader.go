// Reads manifests as kubectl does: the same splitting into documents, the same YAML, the same encodings.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// A document of a file: its value, or the reason for having none, with its text.
type document struct {
	value any
	err   error
	text  []byte
}

// A file with the ending of a manifest.
type file struct {
	// Path from the repository.
	path string
	text []byte
	// Documents that are empty are left out.
	documents []document
}

var endings = map[string]bool{".yaml": true, ".yml": true, ".json": true}

// The files of a folder in the order of their names. Links to folders are not followed, as filepath.Walk does not.
func find(root string) ([]string, error) {
	var found []string
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.IsDir() || !endings[filepath.Ext(path)] {
			return nil
		}
		if info.Mode()&os.ModeSymlink != 0 {
			info, err = os.Stat(path)
			if err != nil || isOutside(root, path) {
				return nil
			}
		}
		if info.Mode().IsRegular() {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			found = append(found, relative)
		}
		return nil
	})
	return found, err
}

// Whether a link leads out of the folder.
func isOutside(root, path string) bool {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return true
	}
	root, err = filepath.EvalSymlinks(root)
	return err != nil || !strings.HasPrefix(target, root+string(filepath.Separator))
}

func read(root, path string) (*file, error) {
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, err
	}
	return &file{path: path, text: text, documents: documents(text)}, nil
}

// The documents of a text. Unlike kubectl's reader, this one goes on after a broken one.
func documents(text []byte) []document {
	decoder := unicode.BOMOverride(unicode.UTF8.NewDecoder())
	decoded, _, err := transform.Bytes(decoder, text)
	if err != nil {
		return []document{{err: err, text: text}}
	}
	if utilyaml.IsJSONBuffer(decoded) {
		if found, err := objects(decoded); err == nil || len(found) > 1 {
			return append(found, failed(err, decoded)...)
		}
		// Flow style, perhaps: as kubectl does after one object.
	}
	var found []document
	for _, chunk := range chunks(decoded) {
		switch value, err := value(chunk); {
		case err != nil:
			found = append(found, document{err: err, text: chunk})
		case value != nil:
			found = append(found, document{value: value})
		}
	}
	return found
}

func failed(err error, text []byte) []document {
	if err == nil {
		return nil
	}
	return []document{{err: err, text: text}}
}

// Objects of JSON, one after the other.
func objects(text []byte) ([]document, error) {
	var found []document
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for {
		var value any
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		found = append(found, document{value: canonical(value)})
	}
}

// The text between the lines `---`. The reader of apimachinery gives up at a separator with more in its line, and this one
// does not.
func chunks(text []byte) [][]byte {
	var found [][]byte
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		chunk, err := reader.Read()
		if len(chunk) > 0 {
			found = append(found, chunk)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			found = append(found, []byte(fmt.Sprintf("error: [%q", err)))
			continue
		}
		if err != nil {
			return found
		}
	}
}

func value(chunk []byte) (any, error) {
	text, err := yaml.YAMLToJSON(chunk)
	if err != nil {
		return nil, err
	}
	return decode(text)
}

func decode(text []byte) (any, error) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return canonical(value), err
}

// The same numbers as the same text, however they were written: `1.0` is `1`.
func canonical(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, one := range value {
			value[key] = canonical(one)
		}
	case []any:
		for i, one := range value {
			value[i] = canonical(one)
		}
	case json.Number:
		if _, isInteger := new(big.Int).SetString(value.String(), 10); isInteger {
			return value
		}
		float, err := value.Float64()
		switch {
		case err != nil:
		case float == math.Trunc(float) && math.Abs(float) < 1<<53:
			return json.Number(strconv.FormatInt(int64(float), 10))
		default:
			return json.Number(strconv.FormatFloat(float, 'g', -1, 64))
		}
	}
	return value
}

// The objects of a stream, read by kubectl's own decoder as kubectl calls it (StreamVisitor of cli-runtime), and the error
// at which it stops.
func stream(text []byte) ([]any, error) {
	var found []any
	reader := transform.NewReader(bytes.NewReader(text), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	decoder := utilyaml.NewYAMLOrJSONDecoder(reader, 4096)
	for {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return found, err
		}
		if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
			continue
		}
		value, err := decode(raw)
		if err != nil {
			return found, err
		}
		found = append(found, value)
	}
}

// The objects of documents, without those that are errors.
func values(of []document) []any {
	var found []any
	for _, one := range of {
		if one.err == nil {
			found = append(found, one.value)
		}
	}
	return found
}

// The objects as items of one List. kubectl reads none with anything but objects, or with a list, in it.
func flattened(objects []any) []any {
	var found []any
	for _, object := range objects {
		if items, isList := at(object, "items").([]any); isList {
			found = append(found, flattened(withKinds(object, items))...)
		} else if _, isObject := object.(map[string]any); isObject {
			found = append(found, object)
		}
	}
	return found
}

// The items of a list, with the kind that it implies for those that have neither kind nor version.
func withKinds(list any, items []any) []any {
	kind, isTyped := strings.CutSuffix(text(list, "kind"), "List")
	for _, item := range items {
		object, isObject := item.(map[string]any)
		if isObject && isTyped && kind != "" && object["kind"] == nil && object["apiVersion"] == nil {
			object["kind"], object["apiVersion"] = kind, at(list, "apiVersion")
		}
	}
	return items
}

// What `-o json` prints, one object or a List of them, one after the other.
func printedObjects(printed []any) []any {
	if len(printed) == 1 && text(printed[0], "kind") == "List" && text(printed[0], "apiVersion") == "v1" {
		return list(printed[0], "items")
	}
	return printed
}

// The value below these keys; nil if there is none.
func at(value any, keys ...string) any {
	for _, key := range keys {
		object, _ := value.(map[string]any)
		value = object[key]
	}
	return value
}

func text(value any, keys ...string) string {
	text, _ := at(value, keys...).(string)
	return text
}

func list(value any, keys ...string) []any {
	list, _ := at(value, keys...).([]any)
	return list
}

func isUTF16(text []byte) bool {
	return bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff})
}
