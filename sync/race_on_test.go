//go:build race

package sync

// simulations is how many TestSimulation runs: some ten seconds of them.
const simulations = 100
