// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// The programs of perf/context.cpp and perf/errgroup.cpp.

type key struct{}
type absent struct{}

// inParallel runs work(n / workers) in that many goroutines, and tells how long all took.
func inParallel(workers int, n uint64, work func(share uint64)) time.Duration {
	var all sync.WaitGroup
	began := time.Now()
	for i := 0; i < workers; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			work(n / uint64(workers))
		}()
	}
	all.Wait()
	return time.Since(began)
}

func commonParentCancel(workers int, n uint64) time.Duration {
	shared, end := context.WithCancel(context.WithValue(context.Background(), key{}, uint64(1)))
	defer end()
	return inParallel(workers, n, func(share uint64) {
		sum := uint64(0)
		for i := uint64(0); i < share; i++ {
			ctx, cancel := context.WithCancel(shared)
			sum += ctx.Value(key{}).(uint64)
			cancel()
		}
		atomic.AddUint64(&sink, sum)
	})
}

func timeoutBeside(others uint64) func(int, uint64) time.Duration {
	return func(workers int, n uint64) time.Duration {
		standing := make([][]context.CancelFunc, workers)
		var all sync.WaitGroup
		for i := range standing {
			all.Add(1)
			go func() {
				defer all.Done()
				of := make([]context.CancelFunc, others/uint64(workers))
				for j := range of {
					_, of[j] = context.WithTimeout(context.Background(), time.Hour)
				}
				standing[i] = of
			}()
		}
		all.Wait()
		const atATime = 10
		took := inParallel(workers, n, func(share uint64) {
			some := make([]context.CancelFunc, atATime)
			for i := uint64(0); i < share; i += atATime {
				for j := range some {
					_, some[j] = context.WithTimeout(context.Background(), time.Hour)
				}
				for _, cancel := range some {
					cancel()
				}
			}
		})
		for _, of := range standing {
			for _, cancel := range of {
				cancel()
			}
		}
		return took
	}
}

func cancelTree(depth int, cancelledFirst bool) func(int, uint64) time.Duration {
	return func(_ int, n uint64) time.Duration {
		began := time.Now()
		for i := uint64(0); i < n; i++ {
			root, cancel := context.WithCancel(context.Background())
			if cancelledFirst {
				cancel()
			}
			last := root
			for d := 0; d < depth; d++ {
				last, _ = context.WithCancel(last)
			}
			cancel()
		}
		return time.Since(began)
	}
}

func askForError(cancelled bool) func(int, uint64) time.Duration {
	return func(_ int, n uint64) time.Duration {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if cancelled {
			cancel()
		}
		var count uint64
		began := time.Now()
		for i := uint64(0); i < n; i++ {
			if ctx.Err() != nil {
				count++
			}
		}
		took := time.Since(began)
		sink += count
		return took
	}
}

func askWhetherDone(cancelled bool) func(int, uint64) time.Duration {
	return func(workers int, n uint64) time.Duration {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if cancelled {
			cancel()
		}
		return inParallel(workers, n, func(share uint64) {
			var count uint64
			for i := uint64(0); i < share; i++ {
				select {
				case <-ctx.Done():
					count++
				default:
				}
			}
			atomic.AddUint64(&sink, count)
		})
	}
}

func deepValue(depth int) func(int, uint64) time.Duration {
	return func(_ int, n uint64) time.Duration {
		ctx := context.Background()
		for d := 0; d < depth; d++ {
			ctx = context.WithValue(ctx, key{}, d)
		}
		var count uint64
		began := time.Now()
		for i := uint64(0); i < n; i++ {
			if ctx.Value(absent{}) != nil {
				count++
			}
		}
		took := time.Since(began)
		sink += count
		return took
	}
}

func receiveInTime(c <-chan uint64) uint64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	select {
	case v := <-c:
		return v
	case <-ctx.Done():
		panic(ctx.Err())
	}
}

func boundReady(_ int, n uint64) time.Duration {
	c := make(chan uint64, 1)
	began := time.Now()
	for i := uint64(0); i < n; i++ {
		c <- i
		sink += receiveInTime(c)
	}
	return time.Since(began)
}

func boundPending(_ int, n uint64) time.Duration {
	asked, answered := make(chan uint64), make(chan uint64)
	go func() {
		for v := range asked {
			answered <- v + 1
		}
	}()
	began := time.Now()
	for i := uint64(0); i < n; i++ {
		asked <- i
		sink += receiveInTime(answered)
	}
	took := time.Since(began)
	close(asked)
	return took
}

// group is what golang.org/x/sync/errgroup is made of, less its limit: peers do without modules.
type group struct {
	cancel context.CancelCauseFunc
	all    sync.WaitGroup
	first  sync.Once
	err    error
}

func newGroup(ctx context.Context) (*group, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	return &group{cancel: cancel}, ctx
}

func (g *group) run(f func() error) {
	g.all.Add(1)
	go func() {
		defer g.all.Done()
		if err := f(); err != nil {
			g.first.Do(func() {
				g.err = err
				g.cancel(err)
			})
		}
	}()
}

func (g *group) wait() error {
	g.all.Wait()
	g.cancel(g.err)
	return g.err
}

func nothing() error { return nil }

func groupOf1(_ int, n uint64) time.Duration {
	began := time.Now()
	for i := uint64(0); i < n; i++ {
		g, _ := newGroup(context.Background())
		g.run(nothing)
		if err := g.wait(); err != nil {
			panic(err)
		}
	}
	return time.Since(began)
}

func groupGo(_ int, n uint64) time.Duration {
	began := time.Now()
	g, _ := newGroup(context.Background())
	for i := uint64(0); i < n; i++ {
		g.run(nothing)
	}
	if err := g.wait(); err != nil {
		panic(err)
	}
	return time.Since(began)
}
