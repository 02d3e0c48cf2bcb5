package main

import "strings"

// Characters that some parser takes for a line break or for a space, or refuses.
var odd = []string{
	"\u0085", "\u2028", "\u2029", "\r", "\r\n", "\t", "\v", "\f", "\u0000", "\u0001", "\u007f", "\u00a0", "\u200b", "\u3000",
	"\ufeff", "\ufffe", "\\",
}

const pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: a\n    image: x\n"

func cases() []string {
	var all []string
	add := func(texts ...string) { all = append(all, texts...) }

	for _, c := range odd {
		add(
			// In a comment, and what follows it.
			pod+"  # text"+c+"  - name: hidden\n",
			"# text"+c+pod,
			// In scalars of each style.
			pod+"  hostname: a"+c+"  b\n",
			pod+"  hostname: a"+c+"    b\n",
			pod+"  hostname: 'a"+c+" b'\n",
			pod+"  hostname: \"a"+c+" b\"\n",
			pod+"  hostname: \"a\\"+c+" b\"\n",
			pod+"  hostname: |\n    a"+c+"    b\n",
			pod+"  hostname: |\n    a"+c+"  - name: hidden\n",
			pod+"  hostname: >-\n    a"+c+"    b\n",
			// Around kinds, keys and markers.
			strings.Replace(pod, "Pod", "Pod"+c, 1),
			strings.Replace(pod, "Pod", c+"Pod", 1),
			strings.Replace(pod, "kind: Pod", "kind:"+c+"Pod", 1),
			strings.Replace(pod, "kind: Pod", "kind"+c+": Pod", 1),
			strings.Replace(pod, "kind: Pod", "\"kind\":"+c+"Pod", 1),
			strings.Replace(pod, "  - name", "  -"+c+"name", 1),
			"a: 1\n---"+c+"\n"+pod,
			"a: 1\n---"+c+pod,
			"a: 1"+c+"---\n"+pod,
			"null\n---"+c+"\n{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n",
			"kind: A\n---"+c+"\n{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n",
			"kind: A\n"+c+"---\n"+pod,
			"kind: A\n..."+c+"\n"+pod,
			c+pod,
			c+"---\n"+pod,
			c+"{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}",
			pod+c,
			"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"x\":\"a"+c+"b\"}",
			"{\"apiVersion\":\"v1\","+c+"\"kind\":\"Pod\"}",
			"{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}"+c+"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"n\":2}",
			"{apiVersion: v1,"+c+" kind: Pod}",
			"kind: &a"+c+"Pod\napiVersion: v1\n",
			"kind: !t"+c+"Pod\napiVersion: v1\n",
			"b: &"+c+"a 1\nkind: A\n",
		)
	}

	// Tags, by every spelling.
	tags := []string{
		"!!binary", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!set", "!!omap", "!!pairs", "!!map", "!!seq",
		"!!merge", "!!value", "!!yaml", "!!bin%61ry", "!", "!local", "!e!x", "!<tag:yaml.org,2002:binary>", "!<tag:yaml.org,2002:str>",
		"!<tag:yaml.org,2002:bin%61ry>", "!<!binary>", "!<!!binary>", "!<tag:example.com,2000:x>", "!!BINARY", "!!binary/x",
	}
	values := []string{
		"UG9k", "\"UG9k\"", "Pod", "'Pod'", "|-\n  UG9k", "12", "\"12\"", "0x10", "\"0x10\"", "yes", "\"yes\"", "~", "\"\"", "", "1.5", "1e3",
		"2001-01-01", "x", "[Pod]", "{Pod: }", "{Pod: 1}", "[{a: 1}]", "!!str x", "*a",
	}
	for _, tag := range tags {
		for _, value := range values {
			add("a: &a Pod\napiVersion: v1\nkind: " + tag + " " + value + "\n")
		}
		add(
			"apiVersion: v1\n"+tag+" kind: Pod\n",
			"apiVersion: v1\n"+tag+" \"kind\": Pod\n",
			"apiVersion: v1\nkind: Pod\nspec: "+tag+"\n  a: 1\n",
			"apiVersion: v1\nkind: Pod\nspec: "+tag+"\n- 1\n",
			tag+"\napiVersion: v1\nkind: Pod\n",
			"--- "+tag+"\napiVersion: v1\nkind: Pod\n",
			"kind: A\nspec:\n  "+tag+" <<: {a: 1}\n",
			"kind: A\nspec:\n  "+tag+" \"<<\": {a: 1}\n",
			"kind: A\nspec:\n  "+tag+" merge: {a: 1}\n",
			"kind: A\nspec: {"+tag+" <<: {a: 1}}\n",
			"kind: A\nspec: {"+tag+" a2luZA==: 1}\n",
		)
	}
	for _, head := range []string{
		"%YAML 1.1\n---\n", "%YAML 1.2\n---\n", "%YAML 1.0\n---\n", "%YAML 2.0\n---\n", "%YAML 1.1\n%YAML 1.1\n---\n", "%YAML\n---\n",
		"%TAG ! tag:yaml.org,2002:\n---\n", "%TAG !! tag:example.com,2000:\n---\n", "%TAG !e! tag:yaml.org,2002:\n---\n",
		"%TAG !e! tag:yaml.org,2002:bin\n---\n", "%TAG !! !\n---\n", "%TAG ! !!\n---\n", "%OTHER x\n---\n", "%YAML 1.1 # c\n---\n",
		"%YAML 1.1\n%TAG ! tag:yaml.org,2002:\n---\n", "%TAG ! a\n%TAG ! b\n---\n",
	} {
		for _, value := range []string{"Pod", "!!binary UG9k", "!binary UG9k", "!e!binary UG9k", "!e!ary UG9k", "!!str Pod", "!e!str Pod"} {
			text := "apiVersion: v1\nkind: " + value + "\n"
			add(head+text, "kind: A\n...\n"+head+text, head+"kind: A\n---\n"+text, head+"kind: A\n...\n"+text)
		}
	}

	// Plain scalars, as values and as keys.
	for _, value := range []string{
		"1", "-1", "+1", "0", "-0", "+0", "00", "007", "-007", "08", "0o7", "0O7", "-0o7", "+0o7", "0x1F", "0X1f", "-0x1f", "0b11", "0B11", "-0b11",
		"+0b11", "0b-1", "0b+1", "-0b-1", "-0b+1", "0b", "0b2", "0x", "0xg", "0o8", "0_1", "_1", "1_", "1__0", "0x_1", "0_x1", "-_1", "+_", "1_000.5",
		".5", ".5_0", "._5", ".5e3", "+.5", "-.5", "+.5_0", "1.", "1._", "1e3", "1E3", "1e+3", "1e-3", "1_e3", "1e_3", "1e", "1e400", "-1e400", "1e-400",
		".5e999", "0.1e1", "1.5.5", "0x1p4", "0x1.8p1", ".0x1", "1:30", "1:30:00", "190:20:30.15", "12e03", "-2E+05", "0.0", "-0.0", "-.0",
		".inf", "-.inf", "+.inf", ".Inf", ".INF", ".iNF", ".nan", ".NaN", ".NAN", "inf", "Inf", "Infinity", "+Inf", "nan", "NaN", "infinity",
		"y", "Y", "n", "N", "yes", "Yes", "YES", "yEs", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", "true", "True", "TRUE", "tRUE",
		"false", "False", "FALSE", "~", "null", "Null", "NULL", "nULL", "", "=", "<<", "<", "2001-01-01", "2001-1-1", "2001-01-01t10:00:00Z",
		"2001-01-01 10:00:00", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
		"18446744073709551615", "18446744073709551616", "0xffffffffffffffff", "0x1ffffffffffffffff", "0b" + strings.Repeat("1", 64),
		"0b" + strings.Repeat("1", 65), "01777777777777777777777", "1Gi", "1.5Gi", "128Mi", "100m", "1e", "-", "+", ".", "..", "-.", "+.", "-1-", "1 2",
		"1\t2", "a:b", "a::b", ":a", "::", "?a", "-a", "--", "--- a", "a#b", "a #b", "a\t#b", "#", "@a", "`a", "%a", "!a", "&a", "a&b", "*a", "a*", ",a",
		"a,b", "a, b", "[a", "a]", "a[b]", "{a", "a}", "a{b}", "a: b", "a:", "- a", "? a", "|", ">", "'", "\"", "'a'b", "\"a\"b", "a'b", "a\"b", "'a'#b",
		"\"a\"#b", "\"a\" #b", "[]#b", "[] #b", "'it''s'", "''", "'''", "''''", "'a\\nb'", "1.0000000000000001", "3.4028235e39", "1e21", "123456789.5",
	} {
		add("kind: A\nv: "+value+"\n", "kind: A\nl: ["+value+"]\n", "kind: A\nl: ["+value+", b]\n", "kind: A\nl: [{"+value+": 1}]\n",
			"kind: A\nm: {"+value+"}\n", "kind: A\nm: {k: "+value+"}\n", "kind: A\nm: {\"k\":"+value+"}\n", "kind: A\nl:\n- "+value+"\n",
			"kind: A\nm:\n  "+value+": 1\n", "kind: A\nm:\n  "+value+" : 1\n", "kind: A\nm:\n  ? "+value+"\n  : 1\n", value+"\n---\nkind: A\n")
	}

	// Escapes in double quotes.
	for _, escape := range []string{
		"0", "a", "b", "t", "\t", "n", "v", "f", "r", "e", " ", "\"", "'", "/", "\\", "N", "_", "L", "P", "x50", "x5", "u0050", "u005", "U00000050",
		"ud83d\\ude00", "ud800", "udc00", "uffff", "U0010ffff", "U00110000", "q", "1", "\n", "\r\n", "\n   ", "  \n  ", "u0000", "x00", "s", ".", "#",
	} {
		add("apiVersion: v1\nkind: \"P\\"+escape+"od\"\n", "{\"apiVersion\":\"v1\",\"kind\":\"P\\"+escape+"od\"}", "kind: 'P\\"+escape+"od'\n",
			"kind: A\n\"k\\"+escape+"\": 1\n")
	}

	// Folding and block scalars.
	for _, body := range []string{
		"Pod", "Pod\n", "Pod\n\n", "\nPod", "\n\nPod\n", " Pod", "Pod\n Pod", "Pod\nPod", "Pod\n\nPod", "Pod \nPod", "Pod\t\nPod", "\tPod", "Pod\n\tPod", "# c",
		"Pod # c", "\n # c\nPod", "", "\n", "---", "...", "a: b", "- a", "Pod\n  \nPod", " \nPod",
	} {
		for _, head := range []string{"|", "|-", "|+", ">", ">-", ">+", "|2", "|1", "|-1", "|+2", "|2-", ">1", ">2-", "|0", "|9", "| # c", "|# c", "|-x", "", "'", "\""} {
			lines := strings.ReplaceAll(body, "\n", "\n  ")
			switch head {
			case "'", "\"":
				add("apiVersion: v1\nkind: " + head + lines + head + "\n")
			case "":
				add("apiVersion: v1\nkind:\n  " + lines + "\nv: 1\n")
			default:
				add("apiVersion: v1\nkind: "+head+"\n  "+lines+"\nv: 1\n", "apiVersion: v1\nkind: "+head+"\n  "+lines)
			}
		}
	}

	add(structures...)
	return all
}

// Structure: documents, lists, anchors, merges, keys and JSON. Not keys such as 1 and "1" in one mapping: which one
// kubectl keeps is chance.
var structures = []string{
	// Documents.
	"", "\n", "---\n", "---\n---\n", "...\n", "# c\n", "---\n# c\n---\n" + pod, pod + "---\n" + pod, pod + "--- # c\n" + pod, pod + "---# c\n" + pod,
	pod + "---  \n" + pod, pod + "---\t\n" + pod, pod + "--- text\n" + pod, pod + "---text\n" + pod, pod + "----\n" + pod, pod + "--- {}\n" + pod,
	pod + "--- |\n  a\n---\n" + pod, pod + "...\n" + pod, pod + "...\n---\n" + pod, pod + "... # c\n" + pod, pod + "...text\n" + pod, pod + "---\r\n" + pod,
	pod + "---\r" + pod, pod + " ---\n" + pod, pod + "\n\n---\n\n\n" + pod, pod + "---", pod + "\n---\n...\n", "---" + pod, "--- \n" + pod, "---\t# c\n" + pod,
	"kind: A\nt: |\n  a\n---\n" + pod, "kind: A\nt: |\n  a\n  ---\n  b\n---\n" + pod, "kind: A\nt: \"a\n---\nb\"\n", "kind: A\nt: 'a\n---\nb'\n",
	"kind: A\nt: [a,\n---\nb]\n", "kind: A\nt: {a: 1,\n---\nb: 2}\n", "kind: A\nt: a\n---\n" + pod, "|\n---\n" + pod, "|\na\n---\n" + pod, "a\n---\n" + pod,
	"null\n---\n" + pod, "~\n---\n" + pod, "[]\n---\n" + pod, "1\n---\n" + pod, "\"a\"\n---\n" + pod, "kind: A\n---\n\"\n---\n\"\n---\n" + pod,
	"kind: A\n---\n- " + "a\n---\n" + pod, "kind: A\n---\n#---\n" + pod, "kind: A\n---\n" + pod + "---\n- [\n", "- [\n---\n" + pod, "a: [\n---\n" + pod,
	"kind: A\n# ---\n" + pod, "kind: A\n#\n---#\n#\n" + pod, "kind: A\n--- #\n--- #\n" + pod, "kind: A\n\ufeff---\n" + pod, "kind: A\n---\n\ufeff" + pod,
	"\ufeff---\n" + pod, "\ufeff" + pod, "\ufeff\ufeff" + pod, "\ufeff{\"kind\":\"A\"}", "kind: A\n---\n\ufeff{\"kind\":\"A\"}", "kind: A\n...\nkind: B\n---\n" + pod,
	"kind: A\n}\n", "kind: A\n]\n", "{kind: A}}", "{kind: A} {kind: B}", "{kind: A}\n{kind: B}", "kind: A\n{kind: B}\n", "[a] b\n", "{kind: A} # c", "{kind: A}# c",
	"{kind: A}x", "{kind: A}\nx", "{kind: A}\n---\n" + pod, "{kind: A}---\n" + pod, "{kind: A}\n--- a\n" + pod,
	strings.Repeat(" ", 5000) + "{\"kind\":\"A\"}{\"kind\":\"B\"}", strings.Repeat("\n", 5000) + "{\"kind\":\"A\"}\n---\n{\"kind\":\"B\"}",
	"#" + strings.Repeat(" ", 5000) + "\n{\"kind\":\"A\"}{\"kind\":\"B\"}",
	// JSON.
	`{"kind":"A"}`, `{"kind":"A"}{"kind":"B"}`, `{"kind":"A"}{"kind":"B"}{"kind":"C"}`, `{"kind":"A"} {"kind":"B"}`, "{\"kind\":\"A\"}\n\n{\"kind\":\"B\"}\n",
	"{\"kind\":\"A\"}\n---\n{\"kind\":\"B\"}", "{\"kind\":\"A\"}\n---\n{\"kind\":\"B\"}\n---\n{\"kind\":\"C\"}", "{\"kind\":\"A\"}{\"kind\":\"B\"}\n---\n{\"kind\":\"C\"}",
	"{\"kind\":\"A\"}{\"kind\":\"B\"}{\"kind\":\"C\"}\n---\nkind: D\n", "{\"kind\":\"A\"}\nkind: B\n", "{\"kind\":\"A\"}\n---\n" + pod, "{\"kind\":\"A\"}---\n" + pod,
	"{\"kind\":\"A\"} ---\n" + pod, "{\"kind\":\"A\"}\n# c\n" + pod, "{\"kind\":\"A\"} # c\n" + pod, "{\"kind\":\"A\"} # c\n---\n" + pod, "{\"kind\":\"A\"}\n...\n" + pod,
	`{"kind":"A","kind":"B"}`, `{"kind":"A","Kind":"B"}`, `{"KIND":"A"}`, `{"kind":"A",}`, `{"kind":"A",/* c */"b":1}`, "{\"kind\":\"A\" // c\n}", `{"kind":'A'}`, `{kind:"A"}`,
	`{"kind":"A" "b":1}`, `{"kind":"A","v":01}`, `{"kind":"A","v":+1}`, `{"kind":"A","v":.5}`, `{"kind":"A","v":1.}`, `{"kind":"A","v":0x10}`, `{"kind":"A","v":NaN}`,
	`{"kind":"A","v":1e400}`, `{"kind":"A","v":-0}`, `{"kind":"A","v":1E3}`, `{"kind":"A","v":12345678901234567890}`, `{"kind":"A","v":"\u0050\/\ud83d\ude00"}`,
	`{"kind":"A","v":"\ud83d"}`, `{"kind":"A","v":yes}`, `{"kind":"A","v":True}`, `{"kind":"A","v":null}`, `{"kind":"A","":1}`, `{"kind":"A","v":[1,]}`, `{"kind":"A","v":[,]}`,
	`[{"kind":"A"}]`, `{"kind":"A"},{"kind":"B"}`, `{"kind":"A"};`, "{\t\"kind\"\t:\t\"A\"\t}", "{\r\n\"kind\":\r\n\"A\"\r\n}", "{\"kind\"\n:\"A\"}", "{\"kind\":\n\"A\"}", "{\n\"a\":{\n\"b\":[\n1\n]\n},\"kind\":\"A\"\n}",
	"{\"kind\":\"A\",\"" + strings.Repeat("k", 1100) + "\":1}", "{\"kind\":\"A\",\"k\"" + strings.Repeat(" ", 1100) + ":1}", "{\"kind\":\"A\"}\x00{\"kind\":\"B\"}",
	"{\"kind\":\"A\",\"t\":\"a\nb\"}", "{\"kind\":\"A\",\"t\":\"a\tb\"}", "{\"kind\":\"A\",\"t\":\"\\u0000\"}", "{\"kind\":\"A\",\"t\":\"a\\\nb\"}", "{\n---\n\"kind\":\"A\"}",
	// Lists.
	"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n", "apiVersion: v1\nkind: PodList\nitems:\n- {metadata: {name: a}}\n",
	"apiVersion: v1\nkind: ConfigMap\nitems:\n- {apiVersion: v1, kind: Pod}\n", "apiVersion: v1\nkind: Pod\nitems:\n- {metadata: {name: a}}\n",
	"apiVersion: v1\nkind: ConfigMap\nitems:\n- {metadata: {name: a}}\n", "apiVersion: v1\nkind: ConfigMap\nitems: []\n", "apiVersion: v1\nkind: ConfigMap\nitems: {}\n",
	"apiVersion: v1\nkind: ConfigMap\nitems: null\n", "apiVersion: v1\nkind: ConfigMap\nitems: x\n", "kind: List\nitems: [{kind: List, items: [{apiVersion: v1, kind: Pod}]}]\n",
	"kind: X\nitems: [{kind: Y, items: [{apiVersion: v1, kind: Pod}]}]\n", "kind: PodList\napiVersion: v1\nitems: [{kind: Pod}, {apiVersion: v1}, {}]\n",
	"kind: PodList\napiVersion: v1\nitems: [{items: [{}]}]\n", "items: [{apiVersion: v1, kind: Pod}]\n", "kind: List\nitems: [1]\n", "kind: List\nItems: [{apiVersion: v1, kind: Pod}]\n",
	"kind: PodListList\napiVersion: v1\nitems: [{}]\n", "apiVersion: v1\nkind: Pod\nspec: {containers: []}\nitems: []\n", "kind: Pod\n", "kind: Pod\napiVersion: ''\n",
	"kind: Pod\napiVersion: 1\n", "Kind: Pod\napiVersion: v1\n", "apiVersion: v1\nkind: [Pod]\n", "apiVersion: v1\nkind: Pod\nitems: ~\nspec: {}\n",
	"kind: List\nmetadata: {}\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - apiVersion: apps/v1\n    kind: DeploymentList\n    items: [{spec: {}}]\n",
	// Anchors and merges.
	"kind: &a A\nb: *a\n", "kind: A\nx: &x [1]\ny: *x\n", "x: &x A\n---\nkind: *x\n", "kind: &a A\nx: &a B\ny: *a\n", "kind: A\nx: *y\n", "kind: A\nx: &x [*x]\n", "kind: A\nx: &x {a: *x}\n",
	"kind: A\nx: &x a\n*x : 1\n", "kind: A\nx: &x a\n*x: 1\n", "kind: A\nx: &x a\ny: [*x]\n", "kind: A\nx: &x a\ny: [*x,b]\n", "kind: A\nx: &x a\ny: {*x : 1}\n", "kind: A\nx: &x a\ny: {b: *x}\n",
	"kind: &a:b A\n", "kind: &a,b A\n", "kind: &a.b A\n", "kind: &a-b_c A\n", "kind: &é A\n", "kind: &a", "kind: &a\n  A\n", "kind: &a\nb: 1\n", "kind: &a # c\n  A\n", "kind: &a:x\n", "kind: &a?x\n", "kind: & A\n",
	"kind: A\nx: &x a\ny: *x:b\n", "kind: A\nx: &x a\ny: *x b\n", "kind: A\nx: &x a\ny: *x #b\n", "kind: A\nx: &x a\ny: *x#b\n", "&a kind: A\nx: *a\n", "&a {kind: A}\n", "&a\nkind: A\n", "--- &a\nkind: A\n",
	"&a &b kind: A\n", "kind: &a &b A\n", "kind: &a *b\n", "kind: !!str &a A\n", "kind: &a !!str A\n", "kind: &a !!binary UG9k\nx: *a\n", "x: &a !!binary UG9k\nkind: *a\napiVersion: v1\n",
	"kind: A\nx: {<<: {b: 1}}\n", "kind: A\nx: {<<: {b: 1}, b: 2}\n", "kind: A\nx: {b: 2, <<: {b: 1}}\n", "kind: A\nx: {<<: [{b: 1}, {b: 2, c: 3}]}\n", "kind: A\nx: {<<: {b: 1}, <<: {b: 2}}\n",
	"kind: A\nx: {\"<<\": {b: 1}}\n", "kind: A\nx: {'<<': {b: 1}}\n", "kind: A\nx: {? << : {b: 1}}\n", "kind: A\nx: {&m <<: {b: 1}}\n", "kind: A\nx: {! <<: {b: 1}}\n", "kind: A\nx: {<<: ~}\n", "kind: A\nx: {<<: []}\n",
	"kind: A\nx: {<<: {}}\n", "kind: A\nx: {<<: [[]]}\n", "kind: A\nx: {<<: [{<<: {b: 1}}]}\n", "kind: A\nm: &m {b: 1}\nx: {<<: *m}\n", "kind: A\nm: &m {b: 1}\nx: {<<: [*m, *m]}\n", "kind: A\nm: &m [{b: 1}]\nx: {<<: *m}\n",
	"kind: A\nm: &m <<\nx: {*m : {b: 1}}\n", "<<: {kind: Pod, apiVersion: v1}\n", "<<: [{kind: Pod}, {apiVersion: v1}]\n", "kind: ConfigMap\n<<: {kind: Pod, apiVersion: v1}\n", "<<: {kind: Pod, apiVersion: v1}\nkind: ConfigMap\n",
	"<<: {kind: Pod, apiVersion: v1}\nkind: ConfigMap\n<<: {kind: Pod}\n", "kind: A\nx: {a: 1, <<: {a: 2}, a: 3}\n", "kind: A\nx: {<<: {a: {b: 1}}, a: {c: 1}}\n", "kind: A\nx:\n  <<: {b: 1}\n  <<: {c: 1}\n",
	"kind: A\nx: {<<: !!map {b: 1}}\n", "kind: A\nx: {<<: &m {b: 1}, y: *m}\n", "kind: A\nx: {<<: !!set {b}}\n", "kind: A\nx: {<< : {b: 1}}\n", "kind: A\nx: {<<}\n", "kind: A\nx: [<<]\n", "kind: A\nx: <<\n", "kind: A\nx:\n  ? <<\n  : {b: 1}\n",
	// Keys.
	"kind: A\nkind: B\n", "kind: A\n\"kind\": B\n", "kind: A\n? kind\n: B\n", "kind: A\nx: {1: a, 0x1: b}\n", "kind: A\nx: {yes: a, true: b}\n",
	"kind: A\nx: {~: a}\n", "kind: A\nx: {: a}\n", "kind: A\nx: {[a]: b}\n", "kind: A\nx: {{a: b}: c}\n", "kind: A\n? [a]\n: b\n", "kind: A\n? a\n", "kind: A\n? a\n? b\n", "kind: A\n: b\n", "kind: A\n?\n: b\n", "kind: A\nx: {a}\n", "kind: A\nx: {a, b}\n",
	"kind: A\nx: {a,}\n", "kind: A\nx: {,}\n", "kind: A\nx: [,]\n", "kind: A\nx: [a,]\n", "kind: A\nx: [a,,b]\n", "kind: A\nx: [a: b]\n", "kind: A\nx: [a: b, c: d]\n", "kind: A\nx: [? a : b]\n", "kind: A\nx: {? a : b}\n", "kind: A\nx: {? a}\n", "kind: A\nx: [: a]\n",
	"kind: A\nx: {a:b}\n", "kind: A\nx: {a:}\n", "kind: A\nx: {a: }\n", "kind: A\nx: {a :b}\n", "kind: A\nx: {\"a\":b}\n", "kind: A\nx: {\"a\" :b}\n", "kind: A\nx: {'a':b}\n", "kind: A\nx: {a: b:c}\n", "kind: A\nx: {a: b: c}\n", "kind: A\nx: {[a]:b}\n", "kind: A\nx: {\"a\"\n:b}\n",
	"kind: A\nx: {a\n: b}\n", "kind: A\nx: {a\nb: c}\n", "kind: A\nx: {a:\nb}\n", "kind: A\nx: [a\nb]\n", "kind: A\nx: [\na\n]\n", "kind: A\nx: {\na: b\n}\n", "kind: A\nx: [\n  a,\n# c\n  b\n]\n", "kind: A\nx: [a # c\n, b]\n", "kind: A\nx: [a# c\n, b]\n", "kind: A\nx: [a,# c\n b]\n", "kind: A\nx: [\"a\"# c\n, b]\n",
	"kind: A\nx: [a]: b\n", "kind: A\n[a]: b\n", "kind: A\nx: y: z\n", "kind: A\nx: - y\n", "kind: A\nx: -\n", "kind: A\nx: -\ty\n", "kind: A\n- x\n", "kind: A\nx:\n- a\n - b\n", "kind: A\nx:\n - a\n- b\n", "kind: A\nx:\n  a: 1\n b: 2\n", "kind: A\nx:\n a: 1\n  b: 2\n", "kind: A\n x: 1\n",
	" kind: A\n", " kind: A\nx: 1\n", "  kind: A\n  x: 1\n", "kind: A\nx:\n-a\n", "kind: A\nx:\n- - a\n  - b\n", "kind: A\nx:\n- - a\n - b\n", "kind: A\nx:\n- a: 1\n  b: 2\n", "kind: A\nx:\n- a: 1\n b: 2\n", "kind: A\nx:\n- ? a\n  : b\n", "kind: A\nx:\n-\n  a\n", "kind: A\nx:\n-\n- a\n", "kind: A\nx:\n- # c\n  a\n",
	"kind: A\nx:\ta\n", "kind: A\nx:\t- a\n", "kind: A\n\tx: a\n", "kind: A\nx:\n\ta: 1\n", "kind: A\nx:\n  \ta: 1\n", "kind: A\nx:\n-\ta: 1\n", "kind: A\nx:\n- \ta: 1\n", "kind: A\nx:\n-\t- a\n", "kind: A\nx: a\t\n", "kind: A\t# c\n", "kind: A\nx: [\ta\t,\tb\t]\n", "kind: A\nx: {\n\ta: 1\n\t}\n", "kind: A\nx: |\n\ta\n", "kind: A\nx: \"a\n\tb\"\n", "kind: A\nx: a\n\tb\n", "kind: A\n\t\nx: 1\n", "kind: A\n \t \nx: 1\n", "kind: A\n\t# c\nx: 1\n", "kind:\tA\n", "kind\t: A\n", "\tkind: A\n", "?\tkind\n:\tA\n",
	"kind: A\nx: a\n b\n", "kind: A\nx: a\nb\n", "kind: A\nx: a\n\n b\n", "kind: A\nx: a # c\n b\n", "kind: A\nx: a\n # c\n b\n", "kind: A\nx: a\n b: c\n", "kind: A\nx: \"a\nb\"\n", "kind: A\nx: \"a\n b\"\n", "kind: A\nx: \"a\n\n b\"\n", "kind: A\nx: 'a\nb'\n", "kind: A\n\"x\n y\": 1\n", "kind: A\n\"x\": 1\n", "kind: A\nx\n y: 1\n", "kind: A\n? x\n y\n: 1\n", "kind: A\n? |\n  x\n: 1\n",
	"kind: A\n" + strings.Repeat("k", 1000) + ": 1\n", "kind: A\n" + strings.Repeat("k", 1030) + ": 1\n", "kind: A\n\"" + strings.Repeat("k", 1030) + "\": 1\n", "kind: A\n? " + strings.Repeat("k", 1030) + "\n: 1\n", "kind: A\n" + strings.Repeat("é", 600) + ": 1\n", "kind: A\nx: {" + strings.Repeat("k", 1030) + ": 1}\n", "kind: A\nx" + strings.Repeat(" ", 1030) + ": 1\n",
	"kind: A\nx: [" + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "]\n", "kind: A\nspec: {Containers: [], containers: [a]}\n", "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a}], containers: []}\n", "apiVersion: v1\nkind: Pod\nSpec: {containers: [{name: a}]}\n",
	"kind: A\nx: \"a\"b\n", "kind: A\nx: 'a' 'b'\n", "kind: A\nx: [a] [b]\n", "kind: A\nx: {a: 1} b\n", "kind: A\nx: [a\n", "kind: A\nx: \"a\n", "kind: A\nx: @a\n", "kind: A\nx: `a\n", "kind: A\nx: %a\n", "%a: 1\n", "kind: A\n%a: 1\n", "kind: A\n%YAML 1.1\n", "kind: A # c\n# d\n", "kind: A#c\n", "#c\nkind: A\n", " # c\nkind: A\n",
	"kind: 😀\n😀: 1\n", "kind: A\nx: \U0001F600\n", "kind: A\nx: \u00ad\u202e\n", "kind: A\nx: \ue000\n", "kind: A\nx: \ufdd0\n", "kind: A\nx: \U000e0041\n",
}
