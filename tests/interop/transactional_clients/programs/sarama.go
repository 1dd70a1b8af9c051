// Sarama as a transactional program; how it is spoken to: conversation.py.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const partitions = 4

type command struct {
	Do     string
	Name   string
	Offset int64
}

type program struct {
	bootstrap, topic, source, group, id string

	producer sarama.SyncProducer
	said     []string
}

func main() {
	log.SetFlags(0)
	switch args := os.Args; args[1] {
	case "transact":
		p := program{bootstrap: args[2], topic: args[3], source: args[4], group: args[5], id: args[6]}
		p.producer = p.renewed()
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
		isLost := outcome == "fenced" || outcome == "unknown" || outcome == "dropped"
		if isLost && (given.Do != "zombie" || outcome == "dropped") {
			p.closed(p.producer)
			p.producer = p.renewed()
		}
		if given.Do == "abort" || outcome != "aborted" && outcome != "dropped" {
			return attempts
		}
	}
}

func (p *program) attempt(given command, attempt int) string {
	if err := p.write(given, attempt); err != nil {
		p.say(err)
		if isFenced(err) {
			return "dropped"
		}
		return p.aborted(p.producer, "dropped")
	}
	switch given.Do {
	case "abort":
		return p.aborted(p.producer, "dropped")
	case "zombie":
		zombie := p.producer
		defer p.closed(zombie)
		p.producer = p.renewed()
		return p.committed(zombie)
	}
	return p.committed(p.producer)
}

// write leaves the offset with the producer, which sends it when it commits.
func (p *program) write(given command, attempt int) error {
	if err := p.producer.BeginTxn(); err != nil {
		return err
	}
	var messages []*sarama.ProducerMessage
	for partition := range int32(partitions) {
		value := fmt.Sprintf("%s/%d/%d", given.Name, attempt, partition)
		messages = append(messages, &sarama.ProducerMessage{
			Topic: p.topic, Partition: partition, Value: sarama.StringEncoder(value),
		})
	}
	if err := p.producer.SendMessages(messages); err != nil {
		return err
	}
	offset := []*sarama.PartitionOffsetMetadata{{Partition: 0, Offset: given.Offset}}
	return p.producer.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{p.source: offset}, p.group)
}

// committed does what Sarama's example of exactly-once does: what has failed says by its status
// whether it is over, is to be aborted, or may be asked for again.
func (p *program) committed(producer sarama.SyncProducer) string {
	for {
		err := producer.CommitTxn()
		if err == nil {
			return "committed"
		}
		p.say(err)
		status := producer.TxnStatus()
		switch {
		case isFenced(err):
			return "fenced"
		case status&sarama.ProducerTxnFlagFatalError != 0:
			return "unknown"
		case status&sarama.ProducerTxnFlagAbortableError != 0:
			return p.aborted(producer, "unknown")
		}
	}
}

func (p *program) aborted(producer sarama.SyncProducer, otherwise string) string {
	if err := producer.AbortTxn(); err != nil {
		p.say(err)
		return otherwise
	}
	return "aborted"
}

func isFenced(err error) bool {
	return errors.Is(err, sarama.ErrProducerFenced) || errors.Is(err, sarama.ErrInvalidProducerEpoch)
}

func (p *program) say(err error) {
	text := err.Error()
	var several sarama.ProducerErrors
	if errors.As(err, &several) && len(several) > 0 {
		text = several[0].Err.Error()
	}
	p.said = append(p.said, text)
}

func (p *program) closed(producer sarama.SyncProducer) {
	if err := producer.Close(); err != nil {
		p.say(err)
	}
}

func configured() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Metadata.Retry.Max = 100
	config.Metadata.Retry.Backoff = 100 * time.Millisecond
	return config
}

// renewed waits for the producer id. The broker may be away: whoever started this program ends it.
func (p *program) renewed() sarama.SyncProducer {
	config := configured()
	config.Net.MaxOpenRequests = 1 // what its idempotent producer wants
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Return.Errors = true
	config.Producer.Retry.Max = 100
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Transaction.ID = p.id
	for {
		producer, err := sarama.NewSyncProducer([]string{p.bootstrap}, config)
		if err == nil {
			return producer
		}
		p.say(err)
	}
}

func read(bootstrap, topic string) {
	config := configured()
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	config.Consumer.Retry.Backoff = 100 * time.Millisecond
	consumer, err := sarama.NewConsumer([]string{bootstrap}, config)
	check(err)
	var reading sync.WaitGroup
	var printing sync.Mutex
	for partition := range int32(partitions) {
		records, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		check(err)
		reading.Go(func() {
			for record := range records.Messages() {
				value := string(record.Value)
				printing.Lock()
				print(map[string]any{"partition": partition, "offset": record.Offset, "value": value})
				printing.Unlock()
				if value == "end" {
					return
				}
			}
		})
	}
	reading.Wait()
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
