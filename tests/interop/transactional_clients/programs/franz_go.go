// franz-go as a transactional program; how it is spoken to: conversation.py. A session of a group
// and a producer in one: the offset it commits is that of the record of SOURCE which it has polled.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 4
	answerTime = 60 * time.Second
	pause      = 100 * time.Millisecond
)

type command struct {
	Do     string
	Name   string
	Offset int64
}

type program struct {
	bootstrap, topic, source, group, id string

	session *kgo.GroupTransactSession
	said    []string
}

func main() {
	log.SetFlags(0)
	switch args := os.Args; args[1] {
	case "transact":
		p := program{bootstrap: args[2], topic: args[3], source: args[4], group: args[5], id: args[6]}
		p.session = p.renewed()
		p.transact()
	case "read":
		read(args[2], args[3])
	default:
		log.Fatalf("no such command: %s", args[1])
	}
}

func (p *program) transact() {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var given command
		check(json.Unmarshal(input.Bytes(), &given))
		p.said = []string{}
		attempts := p.perform(given)
		print(map[string]any{"attempts": attempts, "said": p.said})
	}
	check(input.Err())
}

func (p *program) perform(given command) (attempts []string) {
	for {
		outcome := p.attempt(given, len(attempts))
		attempts = append(attempts, outcome)
		if outcome == "fenced" || outcome == "unknown" || outcome == "dropped" {
			p.session.Close()
			p.session = p.renewed()
		}
		if given.Do == "abort" || outcome != "aborted" && outcome != "dropped" {
			return attempts
		}
	}
}

func (p *program) attempt(given command, attempt int) string {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	if err := p.poll(ctx, given.Offset-1); err != nil {
		p.say(err)
		return "dropped"
	}
	if err := p.session.Begin(); err != nil {
		p.say(err)
		return "dropped"
	}
	var records []*kgo.Record
	for partition := range int32(partitions) {
		value := fmt.Sprintf("%s/%d/%d", given.Name, attempt, partition)
		records = append(records, &kgo.Record{Topic: p.topic, Partition: partition, Value: []byte(value)})
	}
	if err := p.session.ProduceSync(ctx, records...).FirstErr(); err != nil {
		p.say(err)
		return p.end(ctx, kgo.TryAbort)
	}
	switch given.Do {
	case "abort":
		return p.end(ctx, kgo.TryAbort)
	case "zombie":
		second := p.second(ctx)
		defer second.Close()
	}
	return p.end(ctx, kgo.TryCommit)
}

// poll takes the one record that this transaction is about; a session that was given nothing for
// that long is made anew.
func (p *program) poll(ctx context.Context, offset int64) error {
	for {
		fetches := p.session.PollRecords(ctx, 1)
		if err := fetches.Err0(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			if record.Offset != offset {
				return fmt.Errorf("polled record %d instead of %d", record.Offset, offset)
			}
			return nil
		}
	}
}

func (p *program) end(ctx context.Context, try kgo.TransactionEndTry) string {
	isCommitted, err := p.session.End(ctx, try)
	switch {
	case errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch):
		p.say(err)
		return "fenced"
	case err != nil && try == kgo.TryAbort:
		p.say(err)
		return "dropped"
	case err != nil:
		p.say(err)
		return "unknown"
	case isCommitted:
		return "committed"
	}
	return "aborted"
}

func (p *program) say(err error) { p.said = append(p.said, err.Error()) }

func (p *program) options() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(p.bootstrap), kgo.TransactionalID(p.id)}
}

// renewed waits for the producer id, which ends what the session before has left open: else nobody
// is told the offset that it is to go on from. The broker may be away: whoever started this ends it.
func (p *program) renewed() *kgo.GroupTransactSession {
	session, err := kgo.NewGroupTransactSession(append(p.options(),
		kgo.ConsumerGroup(p.group),
		kgo.ConsumeTopics(p.source),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionTimeout(answerTime),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
	)...)
	check(err)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), answerTime)
		_, _, err := session.Client().ProducerID(ctx)
		cancel()
		if err == nil {
			return session
		}
		p.say(err)
		time.Sleep(pause)
	}
}

// second is another producer of the same id that has begun.
func (p *program) second(ctx context.Context) *kgo.Client {
	for {
		client, err := kgo.NewClient(p.options()...)
		check(err)
		if _, _, err = client.ProducerID(ctx); err == nil {
			return client
		}
		p.say(err)
		client.Close()
		check(ctx.Err())
		time.Sleep(pause)
	}
}

func read(bootstrap, topic string) {
	start := map[int32]kgo.Offset{}
	for partition := range int32(partitions) {
		start[partition] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	check(err)
	defer client.Close()
	var ended []int32
	for len(ended) < partitions {
		client.PollFetches(context.Background()).EachRecord(func(record *kgo.Record) {
			value := string(record.Value)
			print(map[string]any{"partition": record.Partition, "offset": record.Offset, "value": value})
			if value == "end" && !slices.Contains(ended, record.Partition) {
				ended = append(ended, record.Partition)
			}
		})
	}
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
