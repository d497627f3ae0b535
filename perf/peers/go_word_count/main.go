// SPDX-License-Identifier: MIT

// samples/word_count.cpp in Go: one goroutine walks, several read, one per CPU counts, one merges; the
// same buffers, the same rule of what a word is, many small files in one buffer. A word longer than a
// buffer counts as several.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
)

const (
	bufferBytes  = 256 << 10
	smallestRead = 16 << 10
	longest      = 255
)

const (
	space = 1 << iota
	printable
)

var class [256]byte

func init() {
	for _, c := range " \t\n\v\f\r" {
		class[c] = space
	}
	for c := '!'; c <= '~'; c++ {
		class[c] = printable
	}
}

var files, unreadable, total atomic.Int64

func complain(err error) {
	unreadable.Add(1)
	fmt.Fprintln(os.Stderr, "word_count:", err)
}

func walk(root string, out chan<- string) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			complain(err)
		} else if d.Type().IsRegular() {
			out <- path
		}
		return nil
	})
	if err != nil {
		complain(err)
	}
	close(out)
}

// A packer fills buffers with one file after another.
type packer struct {
	empty chan []byte
	full  chan<- []byte
	text  []byte
	carry []byte
}

func (p *packer) passOn(midFile bool) {
	if p.text == nil {
		return
	}
	text := p.text
	p.text = nil
	if midFile {
		at := len(text)
		for at > 0 && class[text[at-1]]&space == 0 {
			at--
		}
		if at == 0 {
			at = len(text)
		}
		p.carry = append(p.carry[:0], text[at:]...)
		text = text[:at]
	}
	p.full <- text
}

func (p *packer) makeRoom(midFile bool) {
	if p.text != nil && cap(p.text)-len(p.text) < smallestRead {
		p.passOn(midFile)
	}
	if p.text == nil {
		p.text = (<-p.empty)[:0]
		p.text = append(p.text, p.carry...)
		p.carry = p.carry[:0]
	}
}

func (p *packer) readFile(path string) {
	f, err := os.Open(path)
	if err != nil {
		complain(err)
		return
	}
	defer f.Close()
	for first := true; ; first = false {
		p.makeRoom(!first)
		n, err := f.Read(p.text[len(p.text):cap(p.text)])
		p.text = p.text[:len(p.text)+n]
		total.Add(int64(n))
		if err == io.EOF {
			files.Add(1)
			break
		}
		if err != nil {
			complain(err)
			break
		}
	}
	if len(p.text) < cap(p.text) {
		p.text = append(p.text, ' ')
	}
}

func read(paths <-chan string, p *packer) {
	for path := range paths {
		p.readFile(path)
		if len(paths) == 0 {
			p.passOn(false)
		}
	}
	p.passOn(false)
}

type tally struct {
	lines, words int
	count        map[string]*int
}

func (t *tally) add(word []byte) {
	if len(word) > longest {
		return
	}
	if n, ok := t.count[string(word)]; ok {
		*n++
		return
	}
	n := 1
	t.count[string(word)] = &n
}

func (t *tally) scan(text []byte, listed bool) {
	t.lines += bytes.Count(text, []byte{'\n'})
	start, shown := -1, false
	for i, c := range text {
		switch class[c] {
		case space:
			if start >= 0 && shown {
				t.words++
				if listed {
					t.add(text[start:i])
				}
			}
			start, shown = -1, false
		case printable:
			shown = true
			if start < 0 {
				start = i
			}
		default:
			if start < 0 {
				start = i
			}
		}
	}
	if start >= 0 && shown {
		t.words++
		if listed {
			t.add(text[start:])
		}
	}
}

type ranked struct {
	word  string
	count int
}

// Keeps the n best so far in order: most words are no better than the last of them.
func mostFrequent(count map[string]*int, n int) []ranked {
	before := func(a, b ranked) bool {
		return a.count > b.count || a.count == b.count && a.word < b.word
	}
	var best []ranked
	for word, c := range count {
		r := ranked{word, *c}
		if len(best) == n && (n == 0 || !before(r, best[n-1])) {
			continue
		}
		at := sort.Search(len(best), func(i int) bool { return before(r, best[i]) })
		best = append(best, ranked{})
		copy(best[at+1:], best[at:])
		best[at] = r
		best = best[:min(n, len(best))]
	}
	return best
}

func main() {
	top := flag.Int("top", 10, "how many words to list")
	flag.Parse()
	counters := runtime.GOMAXPROCS(0)
	readers := 4 * counters
	buffers := readers + 2*counters

	paths := make(chan string, 512)
	empty := make(chan []byte, buffers)
	full := make(chan []byte, buffers)
	tallies := make(chan *tally, counters)
	for i := 0; i < buffers; i++ {
		empty <- make([]byte, 0, bufferBytes)
	}
	go walk(flag.Arg(0), paths)
	var reading, counting sync.WaitGroup
	for i := 0; i < readers; i++ {
		reading.Add(1)
		go func() {
			defer reading.Done()
			read(paths, &packer{empty: empty, full: full})
		}()
	}
	for i := 0; i < counters; i++ {
		counting.Add(1)
		go func() {
			defer counting.Done()
			t := &tally{count: map[string]*int{}}
			for text := range full {
				t.scan(text, *top > 0)
				empty <- text
			}
			tallies <- t
		}()
	}
	reading.Wait()
	close(full)
	counting.Wait()
	close(tallies)

	all := <-tallies
	for t := range tallies {
		all.lines += t.lines
		all.words += t.words
		for word, n := range t.count {
			if m, ok := all.count[word]; ok {
				*m += *n
			} else {
				all.count[word] = n
			}
		}
	}
	best := mostFrequent(all.count, *top)
	fmt.Println(files.Load(), total.Load(), all.lines, all.words, unreadable.Load())
	for _, r := range best {
		fmt.Println(r.count, r.word)
	}
}
