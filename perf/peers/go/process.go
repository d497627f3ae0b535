// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var start = time.Now()

// figures is what the system says of this process: seconds and bytes.
type figures struct {
	wall, cpu, rss, peakRSS, switches float64
}

func processFigures() figures {
	var f figures
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	f.wall = time.Since(start).Seconds()
	f.cpu = float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	f.switches = float64(u.Nvcsw)
	file, err := os.Open("/proc/self/status")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	for in := bufio.NewScanner(file); in.Scan(); {
		word := strings.Fields(in.Text())
		if len(word) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(word[1], 64)
		switch word[0] {
		case "VmRSS:":
			f.rss = kib * 1024
		case "VmHWM:":
			f.peakRSS = kib * 1024
		}
	}
	return f
}
