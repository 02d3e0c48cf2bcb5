package main

import "strings"

const object = `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a"}]}}`

// streams are inputs joined of several, and texts in which keys occur twice or the last line has no end.
func streams() []string {
	var all []string
	add := func(texts ...string) { all = append(all, texts...) }
	objects := []string{pod, object, object + "\n", object + "\n" + object + "\n", "# c\n", "null\n", "kind: ]\n", "kind: A\n...\n"}
	for _, before := range objects {
		for _, between := range []string{
			"---\n", "\ufeff", "\ufeff---\n", "---\n\ufeff", "---\n\ufeff# c\n", "---\n# c\n\ufeff", "---\n\ufeff---\n", "---\n\ufeff\n",
			"%YAML 1.1\n---\n", "...\n%YAML 1.1\n---\n", "...\n# c\n%YAML 1.1\n# d\n---\n", "---\n%YAML 1.1\n---\n", "---\n\ufeff%YAML 1.1\n---\n", "\ufeff%YAML 1.1\n---\n",
			"%YAML 1.1\n\ufeff---\n", "...\n%YAML 1.1\n--- ", "...\n%YAML 1.1\n", "...\n...\n---\n", "---\n---\n", "---\n...\n", "--- # c\n", "---# c\n", "--- ", "\n", " ", "\t\r\n", "\u3000", "\n\u3000", "\v", "\f",
			"5", "[]\n", "\"a\"", "null", " # c\n", " # c\n---\n", "---", "----\n", " ---\n", "\r---\n", "\r\n---\r\n", "...\r\n%YAML 1.1\r\n---\r\n",
		} {
			for _, after := range []string{pod, object, "kind: B\n---\n" + object} {
				add(before + between + after)
			}
		}
		for _, first := range []string{"\ufeff", "%YAML 1.1\n---\n", "---\n%YAML 1.1\n---\n", "---\n\ufeff", "# c\n\ufeff", "\ufeff# c\n"} {
			add(first + before)
		}
	}
	for _, style := range []string{"|", "|-", "|+", ">", ">-", ">+", "|2", "|+2"} {
		for _, end := range []string{"", "\n", "\n\n", "\n    ", "\n    \n", "\r", "\r\n", " ", "\n  # c", "\n---", "\n..."} {
			add("kind: A\nx:\n  y: "+style+"\n    a\n    b"+end, "kind: A\nx:\n- "+style+"\n   a"+end, "null\n---\nkind: A\nx: "+style+"\n  a"+end)
		}
		add("kind: A\nx: "+style, "kind: A\nx: "+style+"\n ", "kind: A\nx: "+style+"\n\n")
	}
	for _, text := range []string{"plain", "\"a\"", "'a'", "", "[a]", "{a: b}", "# c", "a # c", "*x", "&x a"} {
		add("x: &x 1\nkind: A\ny: " + text)
	}
	keys := []string{"a: 1", "a: 2", "a:", "a: [1]", "a: {b: 1}", "\"a\": 3", "<<: {a: 4, c: 5}", "<<: {a: 6}", "a: ~"}
	for _, one := range keys {
		for _, two := range keys {
			add("kind: A\nx:\n  "+one+"\n  "+two+"\n", "kind: A\nx: {"+one+" , "+two+" }\n", "kind: A\nx:\n- "+one+"\n  "+two+"\n  a: 7\n")
		}
	}
	for _, one := range []string{"1", "\"1\"", "0x1", "1.0", "+1", "true", "yes", "\"true\"", "~", "null", "'null'"} {
		for _, two := range []string{"1", "1.0", "'1'", "true", "'true'"} {
			if name(one) != name(two) || kind(one) == kind(two) {
				add("kind: A\nx: {" + one + " : a, " + two + " : b}\n")
			}
		}
	}
	twice := strings.Replace(pod, "  containers:", "  containers:\n  - name: b\n  containers:", 1)
	add(twice, pod+twice, strings.Replace(object, `"spec"`, `"spec":{"containers":[]},"spec"`, 1), strings.Replace(object, `"kind"`, `"kind":"A","kind"`, 1),
		pod+"kind: ConfigMap\n", pod+"spec:\n  containers:\n  - name: b\n", pod+"spec: {}\n", pod+"metadata:\n", "kind: List\napiVersion: v1\nitems: []\nitems:\n- "+object+"\n")
	for _, escape := range []string{`\ud800`, `\udc00\ud800`, `\ud83d\ude00`, `\ud800\u0041`, `\u0000`, `\/`, `\x`, "\u007f", "\u0080", "\ufffe", "\t", "\u0001"} {
		add(`{"apiVersion":"v1","kind":"Pod","x":"`+escape+`"}`, `{"apiVersion":"v1","kind":"Pod","`+escape+`":"x"}`+"\n"+object)
	}
	for _, number := range []string{"-0", "1.0", "1e3", "1E+2", "1e400", "01", "123456789012345678901234567890", "9223372036854775808", "-", "1.", ".5", "true", "nul"} {
		add(`{"apiVersion":"v1","kind":"Pod","x":`+number+`}`, `{"apiVersion":"v1","kind":"Pod","x":[`+number+"]}\n"+object)
	}
	return all
}

// name is the text that a key becomes, and kind its type for go-yaml: of two keys with one name and two kinds it takes one by chance.
func name(key string) string {
	switch key {
	case "1", "\"1\"", "'1'", "0x1", "1.0", "+1":
		return "1"
	case "true", "yes", "\"true\"", "'true'":
		return "true"
	}
	return key
}

func kind(key string) string {
	switch {
	case strings.ContainsAny(key, "\"'"):
		return "text"
	case strings.Contains(key, "."):
		return "float"
	}
	return "other"
}
