// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var rows = []row{
	{"spawn_one", timed(spawnOne)},
	{"spawn_batch", timed(spawnBatch)},
	{"spawn_range", timed(spawnBatch)},
	{"skynet_1e6", timed(skynet)},
	{"fib_30", timed(fib)},
	{"yield", timed(yield)},
	{"ping_pong", timed(pingPong)},
	{"cap128_1x1", timed(func(_ int, n uint64) time.Duration { return stream(n, 1) })},
	{"cap128_4x4", timed(func(_ int, n uint64) time.Duration { return stream(n, 4) })},
	{"sieve_2000", timed(sieve)},
	{"sleepers_1e6", sleepers},
	{"parked_routine", parkedRoutine},
	{"cancel_1e6_by_handle", timed(cancelEach)},
	{"cancel_1e6_by_shutdown", timed(cancelAll)},
	{"cancel_1e6_by_context", timed(cancelAll)},
	{"common_parent_cancel", timed(commonParentCancel)},
	{"timeout_beside_40", timed(timeoutBeside(40))},
	{"timeout_beside_4e5", timed(timeoutBeside(400_000))},
	{"cancel_tree_1", timed(cancelTree(1, false))},
	{"cancel_tree_10", timed(cancelTree(10, false))},
	{"cancel_tree_100", timed(cancelTree(100, false))},
	{"cancel_tree_1000", timed(cancelTree(1000, false))},
	{"cancelled_tree_10", timed(cancelTree(10, true))},
	{"err_open", timed(askForError(false))},
	{"err_cancelled", timed(askForError(true))},
	{"done_open", timed(askWhetherDone(false))},
	{"done_cancelled", timed(askWhetherDone(true))},
	{"deep_value_10", timed(deepValue(10))},
	{"deep_value_100", timed(deepValue(100))},
	{"with_timeout_ready", timed(boundReady)},
	{"with_timeout_pending", timed(boundPending)},
	{"group_of_1", timed(groupOf1)},
	{"group_go", timed(groupGo)},
	{"read_4k_cached", timed(read4k)},
	{"idle_10s", idle},
	{"ready", latency(besideReady)},
	{"hogs", latency(besideHogs)},
	{"timers", latency(besideTimers)},
	{"pair", latency(besidePair)},
	{"awaits", latency(besideAwaits)},
}

func spawnOne(_ int, n uint64) time.Duration {
	done := make(chan uint64)
	child := func(i uint64) { done <- i }
	began := time.Now()
	for i := uint64(0); i < n; i++ {
		go child(i)
		sink += <-done
	}
	return time.Since(began)
}

func spawnBatch(_ int, n uint64) time.Duration {
	results := make([]uint64, n)
	var all sync.WaitGroup
	child := func(i uint64) {
		results[i] = i
		all.Done()
	}
	began := time.Now()
	for i := uint64(0); i < n; i++ {
		all.Add(1)
		go child(i)
	}
	all.Wait()
	return time.Since(began)
}

func skynetNode(sum chan<- uint64, number, size uint64) {
	if size == 1 {
		sum <- number
		return
	}
	sums := make(chan uint64)
	for i := uint64(0); i < 10; i++ {
		go skynetNode(sums, number+i*(size/10), size/10)
	}
	var all uint64
	for i := 0; i < 10; i++ {
		all += <-sums
	}
	sum <- all
}

func skynet(_ int, n uint64) time.Duration {
	sum := make(chan uint64)
	began := time.Now()
	go skynetNode(sum, 0, n)
	sink += <-sum
	return time.Since(began)
}

func fibOf(n uint64) uint64 {
	if n < 2 {
		return n
	}
	var a uint64
	var both sync.WaitGroup
	both.Add(1)
	go func() {
		a = fibOf(n - 1)
		both.Done()
	}()
	b := fibOf(n - 2)
	both.Wait()
	return a + b
}

// fib makes n calls: 1 for 0 and for 1, and one more than those of the two before it for each other.
func fib(_ int, n uint64) time.Duration {
	k := uint64(0)
	for before, calls := uint64(1), uint64(1); calls < n; k++ {
		before, calls = calls, before+calls+1
	}
	began := time.Now()
	sink += fibOf(k + 1)
	return time.Since(began)
}

func yield(workers int, n uint64) time.Duration {
	routines := uint64(2 * workers)
	var all sync.WaitGroup
	began := time.Now()
	for i := uint64(0); i < routines; i++ {
		all.Add(1)
		go func() {
			for j := uint64(0); j < n/routines; j++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
	return time.Since(began)
}

func pingPong(_ int, n uint64) time.Duration {
	there, back := make(chan uint64), make(chan uint64)
	go func() {
		for v := range there {
			back <- v + 1
		}
	}()
	began := time.Now()
	for i := uint64(0); i < n; i++ {
		there <- i
		sink += <-back
	}
	took := time.Since(began)
	close(there)
	return took
}

func stream(n, pairs uint64) time.Duration {
	c := make(chan uint64, 128)
	var producers, consumers sync.WaitGroup
	began := time.Now()
	for i := uint64(0); i < pairs; i++ {
		consumers.Add(1)
		go func() {
			sum := uint64(0)
			for v := range c {
				sum += v
			}
			atomic.AddUint64(&sink, sum)
			consumers.Done()
		}()
	}
	for i := uint64(0); i < pairs; i++ {
		producers.Add(1)
		go func() {
			for j := uint64(0); j < n/pairs; j++ {
				c <- j
			}
			producers.Done()
		}()
	}
	producers.Wait()
	close(c)
	consumers.Wait()
	return time.Since(began)
}

func sieve(_ int, n uint64) time.Duration {
	var stop atomic.Bool
	var all sync.WaitGroup
	began := time.Now()
	last := make(chan uint64)
	all.Add(1)
	go func(out chan uint64) {
		defer all.Done()
		for i := uint64(2); !stop.Load(); i++ {
			out <- i
		}
		close(out)
	}(last)
	for i := uint64(0); i < n; i++ {
		prime := <-last
		next := make(chan uint64)
		all.Add(1)
		go filter(last, next, prime, &all)
		last = next
	}
	took := time.Since(began)
	stop.Store(true) // what is on its way is drained, so that all end
	for range last {
	}
	all.Wait()
	return took
}

func filter(in, out chan uint64, prime uint64, all *sync.WaitGroup) {
	defer all.Done()
	for v := range in {
		if v%prime != 0 {
			out <- v
		}
	}
	close(out)
}

func sleepers(_ int, n uint64) string {
	var all sync.WaitGroup
	before := processFigures()
	for i := uint64(0); i < n; i++ {
		all.Add(1)
		go func(d time.Duration) {
			time.Sleep(d)
			all.Done()
		}(time.Duration(scatter(i, 1_000_000_000)))
	}
	all.Wait()
	after := processFigures()
	return fmt.Sprint("wall ", after.wall-before.wall, " cpu ", after.cpu-before.cpu, " rss ",
		(after.peakRSS-before.rss)/1e6)
}

func parkedRoutine(_ int, n uint64) string {
	never := make(chan uint64)
	var parked atomic.Uint64
	before := processFigures()
	for i := uint64(0); i < n; i++ {
		go func() {
			parked.Add(1)
			<-never
		}()
	}
	for parked.Load() != n {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(5 * time.Millisecond)
	after := processFigures()
	close(never)
	return fmt.Sprint("rss ", (after.rss-before.rss)/float64(n))
}

// gather starts n routines that wait for a channel of their own, or for their context.
func gather(n uint64, each func(i uint64) context.Context) *sync.WaitGroup {
	never := make(chan bool)
	var all sync.WaitGroup
	var parked atomic.Uint64
	for i := uint64(0); i < n; i++ {
		ctx := each(i)
		all.Add(1)
		go func() {
			defer all.Done()
			parked.Add(1)
			select {
			case <-never:
			case <-ctx.Done():
			}
		}()
	}
	for parked.Load() != n {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(5 * time.Millisecond)
	return &all
}

func cancelEach(_ int, n uint64) time.Duration {
	cancels := make([]context.CancelFunc, n)
	all := gather(n, func(i uint64) context.Context {
		ctx, cancel := context.WithCancel(context.Background())
		cancels[i] = cancel
		return ctx
	})
	began := time.Now()
	for _, cancel := range cancels {
		cancel()
	}
	all.Wait()
	return time.Since(began)
}

func cancelAll(_ int, n uint64) time.Duration {
	ctx, cancel := context.WithCancel(context.Background())
	all := gather(n, func(uint64) context.Context { return ctx })
	began := time.Now()
	cancel()
	all.Wait()
	return time.Since(began)
}

func read4k(workers int, n uint64) time.Duration {
	const block, blocks = 4096, 1024
	file, err := os.CreateTemp("", "sluice-perf-")
	if err != nil {
		panic(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(make([]byte, block*blocks)); err != nil {
		panic(err)
	}
	var all sync.WaitGroup
	began := time.Now()
	for w := 0; w < workers; w++ {
		all.Add(1)
		go func() {
			defer all.Done()
			buffer := make([]byte, block)
			for i := uint64(0); i < n/uint64(workers); i++ {
				if _, err := file.ReadAt(buffer, int64(scatter(i, blocks)*block)); err != nil {
					panic(err)
				}
			}
		}()
	}
	all.Wait()
	return time.Since(began)
}

func idle(_ int, seconds uint64) string {
	go time.Sleep(time.Hour)
	time.Sleep(100 * time.Millisecond)
	before := processFigures()
	time.Sleep(time.Duration(seconds) * time.Second)
	after := processFigures()
	return fmt.Sprint("cpu ", (after.cpu-before.cpu)*1e6, " switches ",
		after.switches-before.switches)
}
