package client

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// behaviours lists, for each line of the sheet of behaviours that concerns a client or
// the transport, the tests that show it, as package.Test; or after a dash why there is
// none.
var behaviours = map[int]string{
	// 1. Transport
	1: "client.TestParseURL wire.TestAcceptPaths",
	2: "wire.TestSockJSRecording wire.TestSockJSServerFrames wire.TestSockJSClientFrames wire.FuzzSockJSMessages wire.FuzzSockJSFrames",
	3: "wire.TestSockJSPulse wire.TestAcceptPaths",
	4: "wire.TestDeflateIsOffered wire.TestSocketEcho wire.TestDialWithoutCompression wire.TestAcceptPaths",
	5: "wire.TestSocketIgnoresBinary",
	6: "client.TestParseURL client.TestSockJSURLs client.TestDialSockJS",
	7: "- the server's idle limit",
	8: "- the address that a server sees",
	9: "client.TestReconnecting client.TestResend",

	// 2. Connect and version negotiation
	10: "client.TestSessionIsQuoted client.TestResumeRecordings",
	11: "client.TestVersions",
	12: "client.TestVersions client.TestVersionIsKept",
	13: "ddp.TestNegotiateVectors ddp.TestNegotiateRecordings",
	14: "ddp.TestNegotiateRecordings client.TestReplay",
	15: "ddp.TestNegotiateRecordings",
	16: "client.TestVersions client.TestReconnectingEnds",
	17: "ddp.TestCodec",
	18: "client.TestStrangeFrames client.TestReplay",
	19: "client.TestStrangeFrames client.TestUnreadableAnswers",
	20: "client.TestReplay ddp.TestMalformedRecordings",
	21: "client.TestReplay",
	22: "- a Conn waits for connected, which the sheet allows; what was asked for before waits too: client.TestReconnecting",
	23: "- universal publications are the server's; their data come by the events like all others",

	// 3. Heartbeat
	24: "client.TestServerIsSilent",
	25: "wire.TestHeartbeat",
	26: "wire.TestHeartbeat",
	27: "- the server's timeout",
	28: "client.TestServerIsSilent",
	29: "wire.TestHeartbeat",
	30: "client.TestPingsAreAnswered client.TestPing",
	31: "client.TestNoPingsInPre1",
	32: "wire.TestHeartbeatStop client.TestHeart",

	// 4. Reconnecting
	33: "client.TestHandshakeEnds",
	34: "client.TestBackoff",
	35: "client.TestNoHammering",
	36: "client.TestReconnecting client.TestReconnectingEnds",
	37: "client.TestReconnecting client.TestNoHammering",
	38: "client.TestReconnectingGoesOn",
	39: "client.TestReconnectingGoesOn client.TestReconnectingEnds",
	40: "- there is no browser; who knows that the network is back calls Reconnect: client.TestReconnecting",
	41: "client.TestSimulation",
	42: "- retry off is a Conn; to force a retry is to dial again",

	// 5. What the client sends on (re)connect
	43: "client.TestOnConnect client.TestResend",
	44: "client.TestResend",
	45: "client.TestResend client.TestSimulation",
	46: "client.TestResend",
	47: "client.TestCallsOfOneSession",
	48: "client.TestReconnecting client.TestOnConnect",
	49: "client.TestOnConnect",
	50: "client.TestOnConnect",
	51: "client.TestOnConnect client.TestResend; they wait for OnConnect, which may start a login with Go and return",
	52: "client.TestReconnecting",
	53: "- that is so here; package sync keeps calls in its file",

	// 12. Server: message handling
	129: "- 129 to 140 are the server's; what it answers to broken frames: ddp.TestMalformedRecordings",

	// 13. to 17. Server: methods, publications, merge box, strategies, change of user
	141: "- 141 to 200 are the server's; that a client takes what follows in whatever order: client.TestReplay client.TestCallEnds",

	// 19. EJSON on the wire, 20. Document ids
	213: "ejson.TestConformanceEJSON ddp.TestCodec",
	214: "ejson.TestConformanceEJSON",
	215: "ejson.TestConformanceEJSON",
	216: "ejson.TestConformanceEJSON",
	217: "ejson.TestConformanceEJSON",
	218: "ejson.TestConformanceEJSON",
	219: "ejson.TestConformanceEJSON",
	220: "ejson.TestConformanceEJSON",
	221: "ejson.TestConformanceEJSON wire.TestSockJSServerFrames",
	222: "ejson.TestConformanceVectors",
	223: "ejson.TestConformanceVectors",
	224: "ejson.TestConformanceVectors",
	225: "ejson.TestConformanceVectors",

	// 21. Session resumption
	226: "client.TestResume client.TestResumeRecordings client.TestPosition",
	227: "client.TestSessionIsQuoted client.TestResumeRecordings",
	228: "- the server's queue",
	229: "client.TestResumeRecordings client.TestReplay",
	230: "client.TestResume client.TestReplay",
	231: "client.TestDisconnect client.TestReconnectingGoesOn",
	232: "- the server's callbacks; the client's heartbeat is a new one with each Conn",
	233: "client.TestResend client.TestSimulation client.TestEndedWhileAway",
	234: "client.TestCallEnds client.TestReplay",
	235: "client.TestReconnecting client.TestSimulation",
	236: "- faults of a server",
	237: "client.TestSimulation",

	// 22. Other peers
	238: "- 238 to 242 are clients",
	243: "client.TestStrangeFrames client.TestLateIsBounded ddp.TestCodec",
}

// TestBehaviours: every line of the chapters on transport and client is in the table,
// and every test that it names exists.
func TestBehaviours(t *testing.T) {
	tests := map[string]bool{}
	for name, dir := range map[string]string{"client": ".", "wire": "../internal/wire", "ddp": "..", "ejson": "../ejson"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func ((Test|Fuzz)\w+)\(`).FindAllSubmatch(text, -1) {
				tests[name+"."+string(m[1])] = true
			}
		}
	}
	through := map[int]int{129: 140, 141: 200, 238: 242} // lines that one entry stands for
	line := func(n int) int {
		by, ok := behaviours[n]
		if !ok {
			t.Errorf("line %d is missing", n)
		}
		for _, name := range regexp.MustCompile(`\w+\.(Test|Fuzz)\w+`).FindAllString(by, -1) {
			if !tests[name] {
				t.Errorf("line %d: there is no %s", n, name)
			}
		}
		if !strings.HasPrefix(by, "- ") && !strings.Contains(by, ".") {
			t.Errorf("line %d: %q is neither test nor reason", n, by)
		}
		return max(n, through[n])
	}
	covered, reasons := 0, 0
	for _, chapter := range [][2]int{{1, 53}, {129, 200}, {213, 243}} {
		for n := chapter[0]; n <= chapter[1]; n++ {
			if strings.HasPrefix(behaviours[n], "- ") {
				reasons++
			} else {
				covered++
			}
			n = line(n)
		}
	}
	fmt.Printf("behaviours of client and transport: %d covered, %d with a reason\n", covered, reasons)
}
