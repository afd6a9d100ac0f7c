package accounts_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// checklist says of the lines on logging in of the behaviour sheet where this package holds
// them, or after a dash why it has nothing to do with them.
var checklist = map[int]string{
	201: "TestPassword TestRefused TestHandlers TestSecondFactor",
	202: "TestRefused TestToken",
	203: "TestToken TestDeletedTokens TestOnlyToken",
	204: "TestPassword TestDeletedTokens TestExpiry",
	205: "TestToken TestExpiry",
	206: "- the client's: package sync keeps the token in its file",
	207: "- the client's",
	208: "- the client's",
	209: "TestPassword TestRefresh",
	210: "- the client's",
	211: "- the client's, and a browser's",
	212: "- the client's: package sync holds calls back until their user is there",
}

func TestChecklist(t *testing.T) {
	var all strings.Builder
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for line := 201; line <= 212; line++ {
		if checklist[line] == "" {
			t.Errorf("line %d is missing", line)
		}
		for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(checklist[line], -1) {
			if !strings.Contains(all.String(), "\nfunc "+name+"(") {
				t.Errorf("line %d: there is no %s", line, name)
			}
		}
	}
}
