package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

// cpuSeconds is the user and system time of all threads of a process, of those that ended as well.
// It is the clock that clock_getcpuclockid(3) names: exact, where /proc/PID/stat counts in 10 ms.
func cpuSeconds(pid int) float64 {
	if pid == 0 {
		return 0
	}
	const scheduled = 2
	var now syscall.Timespec
	clock := uintptr(^pid<<3 | scheduled)
	_, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&now)), 0)
	if failed != 0 {
		fail(fmt.Errorf("the processor time of process %d: %w", pid, failed))
	}
	return float64(now.Sec) + float64(now.Nsec)/1e9
}

func ownCPUSeconds() float64 { return cpuSeconds(syscall.Getpid()) }
