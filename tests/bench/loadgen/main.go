// Loadgen sends raw requests to a Kafka broker as fast as it answers them, for a fixed time.
//
// It is built to cost less than any broker: frames are made beforehand and only their numbers are
// written anew (correlation id, base sequence, checksum), many leave in one write, many answers
// come in one read. Every answer is still looked at: its correlation id and its error code.
//
//	loadgen load -address 127.0.0.1:9092 -pid 4711 -api produce -in-flight 50   one line of JSON
//	loadgen null                       serves answers that mean nothing: the generator's own limit
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"sync"
	"time"
)

const stuckAfter = 30 * time.Second

// Load is what one run sends. All connections do the same.
type Load struct {
	Address     string
	TLS         bool   // whatever certificate it has
	Pid         int    // of the broker, whose processor time is read; 0 reads none
	API         string // produce, fetch or metadata
	Topic       string
	Partitions  int // of the topic, written to in turn
	Connections int
	InFlight    int // requests of one connection that wait for their answers
	Records     int // of one batch
	RecordBytes int
	Idempotent  bool
	FetchBytes  int           // wanted of one fetch
	FetchRange  int           // offsets below this are fetched from, in turn
	Count       int           // requests of each connection, instead of a time
	WarmUp      time.Duration // before the time that counts
	Time        time.Duration
}

// Result is what a run came to.
type Result struct {
	Requests  int     `json:"requests"`
	Bytes     int64   `json:"bytes"` // received
	Seconds   float64 `json:"seconds"`
	BrokerCPU float64 `json:"broker_cpu_seconds"` // user and system, all threads
	OwnCPU    float64 `json:"own_cpu_seconds"`
	P50Millis float64 `json:"p50_ms"`
	P99Millis float64 `json:"p99_ms"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "null" {
		fail(serveNull())
	}
	if len(os.Args) < 2 || os.Args[1] != "load" {
		fail(fmt.Errorf("usage: loadgen load|null; loadgen load -h lists the options"))
	}
	result, err := run(loadFromFlags(os.Args[2:]))
	fail(err)
	fail(json.NewEncoder(os.Stdout).Encode(result))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func loadFromFlags(arguments []string) Load {
	var load Load
	flags := flag.NewFlagSet("loadgen load", flag.ExitOnError)
	flags.StringVar(&load.Address, "address", "127.0.0.1:9092", "of the broker")
	flags.BoolVar(&load.TLS, "tls", false, "speak TLS, and take any certificate")
	flags.IntVar(&load.Pid, "pid", 0, "of the broker")
	flags.StringVar(&load.API, "api", "produce", "produce, fetch or metadata")
	flags.StringVar(&load.Topic, "topic", "bench", "an existing one")
	flags.IntVar(&load.Partitions, "partitions", 1, "of the topic")
	flags.IntVar(&load.Connections, "connections", 1, "that send at once")
	flags.IntVar(&load.InFlight, "in-flight", 1, "requests of one connection")
	flags.IntVar(&load.Records, "records", 1, "of a batch")
	flags.IntVar(&load.RecordBytes, "record-bytes", 100, "of a record's value")
	flags.BoolVar(&load.Idempotent, "idempotent", false, "with a producer id and sequences")
	flags.IntVar(&load.FetchBytes, "fetch-bytes", 1<<20, "wanted of one fetch")
	flags.IntVar(&load.FetchRange, "fetch-range", 1, "fetch from offsets below this")
	flags.IntVar(&load.Count, "count", 0, "requests of each connection, instead of a time")
	flags.DurationVar(&load.WarmUp, "warm-up", 200*time.Millisecond, "before the time that counts")
	flags.DurationVar(&load.Time, "time", time.Second, "that counts")
	_ = flags.Parse(arguments)
	return load
}

// run opens all connections, lets them warm up, waits until nothing is in flight, and measures.
func run(load Load) (Result, error) {
	connections := make([]*connection, load.Connections)
	for number := range connections {
		var err error
		if connections[number], err = open(load, number); err != nil {
			return Result{}, err
		}
		defer connections[number].socket.Close()
	}
	if load.Count == 0 {
		if err := together(connections, load.WarmUp, 0); err != nil {
			return Result{}, err
		}
	}
	for _, each := range connections {
		each.forget()
	}
	brokerBefore, ownBefore, began := cpuSeconds(load.Pid), ownCPUSeconds(), time.Now()
	if err := together(connections, load.Time, load.Count); err != nil {
		return Result{}, err
	}
	seconds := time.Since(began).Seconds()
	result := Result{
		Seconds:   seconds,
		BrokerCPU: cpuSeconds(load.Pid) - brokerBefore,
		OwnCPU:    ownCPUSeconds() - ownBefore,
	}
	var took []time.Duration
	for _, each := range connections {
		result.Requests += len(each.took)
		result.Bytes += each.received
		took = append(took, each.took...)
	}
	sort.Slice(took, func(a, b int) bool { return took[a] < took[b] })
	result.P50Millis = quantile(took, 0.5)
	result.P99Millis = quantile(took, 0.99)
	return result, nil
}

// together lets every connection send for that long, or that many requests if count is not 0.
func together(connections []*connection, howLong time.Duration, count int) error {
	until := time.Now().Add(howLong)
	failures := make(chan error, len(connections))
	var all sync.WaitGroup
	for _, each := range connections {
		all.Add(1)
		go func(each *connection) {
			defer all.Done()
			failures <- each.send(until, count)
		}(each)
	}
	all.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func quantile(sorted []time.Duration, part float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(float64(len(sorted)-1)*part)].Seconds() * 1000
}
