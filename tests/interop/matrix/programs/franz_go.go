// franz-go as a matrix program (its command line: command_line.py).
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	module       = "github.com/twmb/franz-go"
	readTimeout  = 60 * time.Second
	maxLineBytes = 4 << 20
)

// line is one record as the programs exchange it; encoding/json has []byte as base64, nil as null.
type line struct {
	Offset  int64    `json:"offset"`
	Key     []byte   `json:"key"`
	Value   []byte   `json:"value"`
	Headers [][2]any `json:"headers"`
}

type header struct {
	name  string
	value []byte
}

func (h *header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.name, &h.value})
}

func main() {
	log.SetFlags(0)
	switch command := os.Args[1]; command {
	case "describe":
		describe()
	case "write":
		write(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	case "read":
		read(os.Args[2], os.Args[3], os.Args[4])
	default:
		log.Fatalf("no such command: %s", command)
	}
}

func describe() {
	version := "unknown"
	build, _ := debug.ReadBuildInfo()
	for _, each := range build.Deps {
		if each.Path == module {
			version = strings.TrimPrefix(each.Version, "v")
		}
	}
	runsOn := "Go " + strings.TrimPrefix(runtime.Version(), "go")
	print(map[string]string{"version": version, "runs_on": runsOn})
}

// write is idempotent, as franz-go is unless told otherwise. The batch size of franz-go is a limit
// for single records, too; so that batches are small, few records wait at any time.
func write(bootstrap, topic, codec, batchBytes string) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	size, err := strconv.Atoi(batchBytes)
	check(err)
	client, err := kgo.NewClient(append(secured(),
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[codec]),
		kgo.ProducerBatchMaxBytes(1_048_588),
		kgo.MaxBufferedRecords(max(20, size/100)),
	)...)
	check(err)
	defer client.Close()
	var sent []*kgo.Record
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, maxLineBytes)
	for input.Scan() {
		var fields struct {
			Key, Value []byte
			Headers    []header
		}
		check(json.Unmarshal(input.Bytes(), &fields))
		record := &kgo.Record{Topic: topic, Key: fields.Key, Value: fields.Value}
		for _, each := range fields.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: each.name, Value: each.value})
		}
		sent = append(sent, record)
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) { check(err) })
	}
	check(input.Err())
	check(client.Flush(context.Background()))
	offsets := make([]int64, len(sent))
	for index, record := range sent {
		offsets[index] = record.Offset
	}
	print(map[string][]int64{"offsets": offsets})
}

func read(bootstrap, topic, count string) {
	left, err := strconv.Atoi(count)
	check(err)
	options := append(secured(), kgo.SeedBrokers(bootstrap))
	if group := os.Getenv("GROUP"); group != "" {
		begin := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
		options = append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), begin)
	} else {
		start := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
		options = append(options, kgo.ConsumePartitions(start))
	}
	client, err := kgo.NewClient(options...)
	check(err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	for left > 0 {
		fetches := client.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			left--
			headers := [][2]any{}
			for _, each := range record.Headers {
				headers = append(headers, [2]any{each.Key, each.Value})
			}
			print(line{record.Offset, record.Key, record.Value, headers})
		})
	}
}

// secured reads what the variable SECURITY says of TLS and SASL.
func secured() []kgo.Opt {
	var given struct{ Mechanism, Username, Password, Cafile, Token string }
	if text := os.Getenv("SECURITY"); text != "" {
		check(json.Unmarshal([]byte(text), &given))
	}
	var options []kgo.Opt
	if given.Cafile != "" {
		pem, err := os.ReadFile(given.Cafile)
		check(err)
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(pem)
		options = append(options, kgo.DialTLSConfig(&tls.Config{RootCAs: trusted}))
	}
	switch given.Mechanism {
	case "PLAIN":
		auth := plain.Auth{User: given.Username, Pass: given.Password}
		options = append(options, kgo.SASL(auth.AsMechanism()))
	case "SCRAM-SHA-256":
		auth := scram.Auth{User: given.Username, Pass: given.Password}
		options = append(options, kgo.SASL(auth.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		auth := scram.Auth{User: given.Username, Pass: given.Password}
		options = append(options, kgo.SASL(auth.AsSha512Mechanism()))
	case "OAUTHBEARER":
		auth := oauth.Auth{Token: given.Token}
		options = append(options, kgo.SASL(auth.AsMechanism()))
	}
	return options
}

func print(answer any) {
	text, err := json.Marshal(answer)
	check(err)
	fmt.Println(string(text))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
