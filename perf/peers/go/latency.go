// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The loads of perf/latency.cpp. Each starts its routines; they end when `over` is set.

const phase = 3 * time.Second

type load func(workers int, over *atomic.Bool, all *sync.WaitGroup)

func launch(all *sync.WaitGroup, f func()) {
	all.Add(1)
	go func() {
		defer all.Done()
		f()
	}()
}

func besideReady(_ int, over *atomic.Bool, all *sync.WaitGroup) {
	for i := 0; i < 10_000; i++ {
		launch(all, func() {
			for !over.Load() {
				runtime.Gosched()
			}
		})
	}
}

func besideHogs(workers int, over *atomic.Bool, all *sync.WaitGroup) {
	for i := 0; i < 4*workers; i++ {
		launch(all, func() {
			for !over.Load() {
				for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
				}
				runtime.Gosched()
			}
		})
	}
}

func besideTimers(_ int, over *atomic.Bool, all *sync.WaitGroup) {
	for i := uint64(0); i < 100_000; i++ {
		i := i
		launch(all, func() {
			for ; !over.Load(); i += 100_000 {
				time.Sleep(time.Duration(scatter(i, 1_000_000_000)))
			}
		})
	}
}

func besidePair(workers int, over *atomic.Bool, all *sync.WaitGroup) {
	for i := 0; i < workers; i++ {
		there, back := make(chan uint64), make(chan uint64)
		launch(all, func() {
			for v := range there {
				back <- v
			}
		})
		launch(all, func() {
			for i := uint64(0); !over.Load(); i++ {
				there <- i
				<-back
			}
			close(there)
		})
	}
}

func besideAwaits(workers int, over *atomic.Bool, all *sync.WaitGroup) {
	const places = 16
	for i := 0; i < workers; i++ {
		launch(all, func() {
			c := make(chan uint64, places)
			for !over.Load() {
				for i := uint64(0); i < places; i++ {
					c <- i
				}
				for i := 0; i < places; i++ {
					<-c
				}
			}
		})
	}
}

// percentiles are figures in microseconds.
func percentiles(out *strings.Builder, name string, late []time.Duration) {
	slices.Sort(late)
	for _, wanted := range []struct {
		suffix string
		part   float64
	}{{"_p50", 0.5}, {"_p99", 0.99}, {"_p999", 0.999}, {"_max", 1}} {
		at := min(int(wanted.part*float64(len(late))), len(late)-1)
		fmt.Fprintf(out, " %s%s %f", name, wanted.suffix, float64(late[at].Nanoseconds())/1000)
	}
}

func latency(beside load) func(int, uint64) string {
	return func(workers int, n uint64) string {
		var over atomic.Bool
		var all sync.WaitGroup
		var out strings.Builder
		late := make([]time.Duration, 0, n)
		beside(workers, &over, &all)
		time.Sleep(200 * time.Millisecond)
		began := time.Now()
		for i := uint64(0); i < n && time.Since(began) < phase; i++ {
			d := time.Duration(100_000 + scatter(i, 200_000))
			slept := time.Now()
			time.Sleep(d)
			late = append(late, time.Since(slept)-d)
		}
		percentiles(&out, "sleep", late)
		late = late[:0]
		began = time.Now()
		for i := uint64(0); i < n && time.Since(began) < phase; i++ {
			yielded := time.Now()
			runtime.Gosched()
			late = append(late, time.Since(yielded))
		}
		percentiles(&out, "yield", late)
		over.Store(true)
		all.Wait()
		return strings.TrimSpace(out.String())
	}
}
