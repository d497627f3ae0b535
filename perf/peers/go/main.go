// SPDX-License-Identifier: MIT

// The rows of sluice's benchmark in Go: the same programs, served over stdin and stdout as
// perf/harness/peer.hpp describes.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A row runs n operations and tells how long they took, or figures of its own.
type row struct {
	name string
	run  func(workers int, n uint64) string
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		word := strings.Fields(in.Text())
		switch {
		case len(word) == 1 && word[0] == "rows":
			for _, r := range rows {
				fmt.Print(r.name, " ")
			}
			fmt.Println()
		case len(word) == 4 && word[0] == "run":
			fmt.Println(answer(word[1], word[2], word[3]))
		default:
			fmt.Println("error what?")
		}
	}
}

func answer(name, workers, count string) string {
	w, _ := strconv.Atoi(workers)
	n, _ := strconv.ParseUint(count, 10, 64)
	for _, r := range rows {
		if r.name == name {
			runtime.GOMAXPROCS(w)
			return r.run(w, n)
		}
	}
	return "error no such row"
}

// timed makes a row of a function that measures itself.
func timed(f func(workers int, n uint64) time.Duration) func(int, uint64) string {
	return func(workers int, n uint64) string {
		return fmt.Sprint("ns ", f(workers, n).Nanoseconds())
	}
}

// scatter is the i-th of the sequence that perf/harness/process.hpp makes.
func scatter(i, below uint64) uint64 {
	z := i + 0x9e3779b97f4a7c15*(i+1)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return (z ^ (z >> 31)) % below
}

var sink uint64
