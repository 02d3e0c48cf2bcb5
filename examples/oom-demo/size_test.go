package main

import "testing"

func TestSizes(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "4096": 4096, "64KiB": 64 << 10, "150MiB": 150 << 20, "2GiB": 2 << 30,
	} {
		var got size
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "150Mi", "1.5GiB", "-1", "MiB", "64 KiB", "99999999999GiB"} {
		var got size
		if err := got.Set(text); err == nil {
			t.Errorf("%q was accepted as %d", text, got)
		}
	}
	for want, value := range map[string]size{"0": 0, "1000": 1000, "64KiB": 64 << 10, "150MiB": 150 << 20} {
		if got := value.String(); got != want {
			t.Errorf("%d is written as %s", value, got)
		}
	}
}
