package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// checklist says of every line of the behaviour sheet where this package holds it, by
// the names of tests and of recordings (which TestConformanceTranscripts plays), or why
// it does not apply: a text that begins with "not here".
var checklist = []struct {
	from, to int
	where    string
}{
	{1, 1, "TestPaths TestWebSocket connect-v1"},
	{2, 2, "TestConformanceSockJS TestPaths sockjs-framing"},
	{3, 3, "TestPaths"},
	{4, 5, "TestWebSocket TestHTTPRefusals TestUpgrade"},
	{6, 6, "not here: the client's"},
	{7, 7, "TestHandshakeLimit"},
	{8, 8, "TestForwarded"},
	{9, 9, "not here: the client's"},
	{10, 11, "connect-v1 connect-pre1 connect-pre2"},
	{12, 12, "not here: the client's"},
	{13, 15, "connect-negotiation TestFramesAfterFailed"},
	{16, 16, "not here: the client's; meteor-client-versions shows it"},
	{17, 17, "connect-negotiation FuzzConnect"},
	{18, 18, "session-resume-attempt TestResume TestSessionLife"},
	{19, 19, "not here: the client's"},
	{20, 21, "connect-order-errors"},
	{22, 22, "connect-pipelined client-gopackage_ddp"},
	{23, 23, "universal-publication TestUniversal TestSessionLife"},
	{24, 24, "TestSilentClient heartbeat-server-answered"},
	{25, 26, "heartbeat-server-answered heartbeat-any-traffic-counts"},
	{27, 27, "TestSilentClient heartbeat-server-timeout"},
	{28, 28, "not here: the client's"},
	{29, 29, "heartbeat-server-timeout TestSilentClient"},
	{30, 30, "connect-v1 method-ordering TestUnblock"},
	{31, 31, "connect-pre1 heartbeat-pre1-none"},
	{32, 32, "TestSilentClient TestHandshakeLimit TestResume"},
	{33, 128, "not here: the client's; the meteor-client recordings show how the server takes it"},
	{129, 131, "TestUnblock method-ordering"},
	{132, 132, "TestSetUserID"},
	{133, 137, "malformed-messages TestFramesAfterFailed FuzzSession ejson"},
	{138, 138, "malformed-messages"},
	{139, 139, "TestLimits TestOversized TestSlowClient TestSlowAsker TestBacklog TestMemoryBounded"},
	{140, 140, "TestLimit TestLimitEach"},
	{141, 141, "method-errors"},
	{142, 142, "method-results"},
	{143, 143, "method-errors"},
	{144, 145, "TestFence method-results"},
	{146, 146, "TestFence TestUnblock"},
	{147, 147, "not here: a fence is a number of the publisher's, or what Wait was given; there is nothing to arm"},
	{148, 148, "not here: values cannot be changed"},
	{149, 150, "TestErrors method-errors"},
	{151, 151, "method-errors TestPanic TestHandlerGone"},
	{152, 152, "TestRepeatedCall method-results TestMemoryBounded TestRecall TestRecallUnderWay"},
	{153, 153, "TestWebSocket TestNestedCall TestSessionLife random-seed"},
	{154, 154, "TestNestedCall"},
	{155, 158, "sub-errors sub-lifecycle TestCallsWhileAway TestEndedWhileAway"},
	{159, 159, "sub-lifecycle"},
	{160, 162, "TestPublicationEnds sub-errors"},
	{163, 163, "not here: publications return no cursors; what returns is ready, see TestReadyAndStay"},
	{164, 164, "TestPublicationEnds TestPanic TestHandlerGone"},
	{165, 165, "TestReadyAndStay TestUniversal"},
	{166, 167, "TestPublicationEnds TestSetUserID"},
	{168, 168, "TestMistakes TestStrategies"},
	{169, 169, "TestMergeBox TestStrategies"},
	{170, 170, "TestPublicationEnds"},
	{171, 171, "TestUniversal"},
	{172, 172, "sub-errors"},
	{173, 173, "TestNamedTwice"},
	{174, 187, "TestMergeBox TestMergeBoxModel merge-box data-changed-cleared-removed"},
	{188, 188, "TestMergeBoxEmptyCollections"},
	{189, 189, "TestMergeBox TestMergeBoxModel"},
	{190, 190, "not here: a cost, which the benchmarks state"},
	{191, 191, "TestMergeBox"},
	{192, 194, "TestStrategies publication-strategies"},
	{195, 195, "TestStrategiesAtAChangeOfUser"},
	{196, 200, "TestSetUserID login-reruns-subscriptions universal-publication"},
	{201, 212, "not here: package accounts, and the client's"},
	{213, 225, "ejson unicode meteor-client-ejson"},
	{226, 229, "TestResume resume35-success resume35-client-live"},
	{230, 230, "TestResumeRefused TestTakeover resume35-refused"},
	{231, 231, "TestClosedByTheServer TestResume resume35-refused"},
	{232, 233, "TestResume"},
	{234, 234, "TestCallsWhileAway resume35-method-resent"},
	{235, 235, "not here: the client's; TestResume shows that no document is sent twice"},
	{236, 236, "TestResumeRefused TestNothingOvertakes"},
	{237, 237, "TestResume TestCutEverywhere TestSimulationOfLosses TestJointSimulation TestOutboxModel"},
	{238, 242, "TestClientsFromNpm client-node-ddp-client client-ddp.js client-_meteorrn_core client-simpleddp client-_rocket.chat_ddp-client client-gopackage_ddp"},
	{243, 243, "not here: other servers"},
	{244, 245, "not here: figures"},
}

// TestChecklist: every line is accounted for, and what is named exists.
func TestChecklist(t *testing.T) {
	have := make(map[string]bool)
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			have[m[1]] = true
		}
	}
	recordings, err := filepath.Glob("testdata/transcripts/*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range recordings {
		have[strings.TrimSuffix(filepath.Base(file), ".jsonl")] = true
	}
	next := 1
	for _, c := range checklist {
		at := fmt.Sprintf("lines %d to %d", c.from, c.to)
		if c.from != next || c.to < c.from {
			t.Errorf("%s: want the next to begin at %d", at, next)
		}
		next = c.to + 1
		if reason, ok := strings.CutPrefix(c.where, "not here: "); ok {
			if reason == "" {
				t.Errorf("%s: no reason", at)
			}
			continue
		}
		for _, n := range strings.Fields(c.where) {
			if !have[n] {
				t.Errorf("%s: there is no %s", at, n)
			}
		}
	}
	if next != 246 {
		t.Errorf("the last line is %d, want 245", next-1)
	}
}
