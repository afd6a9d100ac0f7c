package sync

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// behaviours lists, for each line of the sheet of behaviours that is about reconnecting,
// sessions, documents, methods, subscriptions or logins at a client, the tests that show
// it; or after a dash why there is none. Lines that stand in the names of subtests, as
// "54 55: …" does, are left out.
var behaviours = map[int]string{
	// 4. Reconnecting
	33: "TestNoSession",
	34: "TestBackoffVectors TestNobodyListens",
	35: "TestAcceptAndDrop",
	36: "TestNobodyListens TestStatuses",
	37: "TestReconnectOnRequest",
	38: "- a replica is of one server; one of another is another replica: TestManyServers",
	39: "TestReconnectOnRequest",
	40: "- there is no browser; who knows that the network is back calls Reconnect: TestReconnectOnRequest",
	41: "TestReconnectOnRequest",
	42: "- a replica always comes back; Disconnect is to stay away: TestReconnectOnRequest",

	// 5. What the client sends on (re)connect
	49: "- there are no hooks; the login goes first by itself: TestLogin",
	50: "TestReplaySessions TestLogin",
	53: "- calls of Do outlive the process: TestOutbox TestCrash",

	// 6. Quiescence after a reconnect
	64: "- what stubs foretold is kept, and replayed over what the new session says: TestStubsOverSessions",

	// 7. Write buffer of the client
	72: "- the interval is no option: TestData",
	76: "TestSessions TestData",
	78: "- one goroutine takes all messages in order",

	// 8. Stores
	79: "- the store of a replica is one, and takes transactions",
	80: "TestSessions",
	81: "TestData TestStubs",
	82: "TestData TestReplay",
	86: "- nothing is registered; a collection is there with its first document: TestSessions",

	// 9. Methods: stubs and latency compensation
	91:  "TestStubs TestRebase",
	92:  "TestStubs TestReplayStubs",
	96:  "- a stub returns an error only, and it refuses the call: TestStubs",
	99:  "- parameters are made immutable values before the stub runs: TestOutbox",
	103: "TestReplayStubs TestStubs",
	105: "- a seed is drawn, or there is none: TestStubs",

	// 10. Methods: queue and callbacks
	111: "- who calls is told when the data are there, too: TestCalls",

	// 11. Subscriptions at the client
	120: "- there are no computations that take subscriptions over",
	122: "TestSubscriptions",
	128: "TestSubscriptions",

	// 18. Login
	202: "TestLogin TestComplaintOfflineWorkLostWhenTokenExpired",
	203: "TestLogin TestResumeFromFile",
	204: "- the server's tokens",
	206: "TestLogin",
	207: "TestLogin; a token that will expire soon is renewed: TestLife",
	208: "TestLogin",
	209: "TestLogin",
	210: "TestLogin",
	211: "- one process has the file: TestBadFile",
	212: "TestIdentity TestComplaintMethodsReplayedBeforeLogin TestLogin",

	// 21. Session resumption
	228: "- the server's queue",
	230: "TestResume TestReplaySessions",
	232: "- the server's callbacks",
	233: "TestResume TestReplaySessions",
	234: "TestResumeFromFile TestCalls",
	236: "- faults of a server",
	237: "TestSimulation",
}

// TestBehaviours: every line of those chapters is in the table or in the name of a test,
// and every test that the table names exists.
func TestBehaviours(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests, named := map[string]bool{}, map[int]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		for _, m := range regexp.MustCompile(`(?m)^\t\t\{"([0-9 ]+): `).FindAllSubmatch(text, -1) {
			for _, line := range strings.Fields(string(m[1])) {
				n, err := strconv.Atoi(line)
				if err != nil {
					t.Fatal(err)
				}
				named[n] = true
			}
		}
	}
	for _, chapters := range [][2]int{{33, 128}, {201, 212}, {226, 237}} {
		for n := chapters[0]; n <= chapters[1]; n++ {
			by, ok := behaviours[n]
			switch {
			case ok == named[n] && ok:
				t.Errorf("line %d is in the table, and in the name of a test", n)
			case !ok && !named[n]:
				t.Errorf("line %d is missing", n)
			case ok && !strings.HasPrefix(by, "- ") && !strings.HasPrefix(by, "Test"):
				t.Errorf("line %d: %q is neither test nor reason", n, by)
			}
		}
	}
	for n, by := range behaviours {
		for _, name := range regexp.MustCompile(`Test\w+`).FindAllString(by, -1) {
			if !tests[name] {
				t.Errorf("line %d: there is no %s", n, name)
			}
		}
	}
}
