// Sarama as a matrix program (its command line: command_line.py), for brokers with TLS and SASL.
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

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

const (
	module       = "github.com/IBM/sarama"
	readTimeout  = 60 * time.Second
	maxLineBytes = 4 << 20
)

type line struct {
	Offset  int64    `json:"offset"`
	Key     []byte   `json:"key"`
	Value   []byte   `json:"value"`
	Headers [][2]any `json:"headers"`
}

func main() {
	log.SetFlags(0)
	switch args := os.Args; args[1] {
	case "describe":
		describe()
	case "write":
		write(args[2], args[3])
	case "read":
		read(args[2], args[3], args[4])
	default:
		log.Fatalf("no such command: %s", args[1])
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

func secured() *sarama.Config {
	var given struct{ Protocol, Mechanism, Username, Password, Cafile, Token string }
	if text := os.Getenv("SECURITY"); text != "" {
		check(json.Unmarshal([]byte(text), &given))
	}
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	if given.Cafile != "" {
		pem, err := os.ReadFile(given.Cafile)
		check(err)
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(pem)
		config.Net.TLS.Enable = true
		config.Net.TLS.Config = &tls.Config{RootCAs: trusted}
	}
	if given.Mechanism != "" {
		config.Net.SASL.Enable = true
		config.Net.SASL.Mechanism = sarama.SASLMechanism(given.Mechanism)
		config.Net.SASL.User, config.Net.SASL.Password = given.Username, given.Password
		config.Net.SASL.TokenProvider = bearer(given.Token)
		hash := scram.SHA256
		if given.Mechanism == "SCRAM-SHA-512" {
			hash = scram.SHA512
		}
		config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient {
			return &conversation{hash: hash}
		}
	}
	return config
}

// bearer is a token that never changes.
type bearer string

func (b bearer) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: string(b)}, nil
}

// conversation is what Sarama's own example makes of xdg-go/scram.
type conversation struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

func (c *conversation) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

func write(bootstrap, topic string) {
	config := secured()
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 100
	config.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	check(err)
	offsets := []int64{}
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, maxLineBytes)
	for input.Scan() {
		var fields struct{ Key, Value []byte }
		check(json.Unmarshal(input.Bytes(), &fields))
		message := &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(fields.Value)}
		_, offset, err := producer.SendMessage(message)
		check(err)
		offsets = append(offsets, offset)
	}
	check(input.Err())
	check(producer.Close())
	print(map[string][]int64{"offsets": offsets})
}

type member struct {
	left int
	done context.CancelFunc
}

func (m *member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, isOpen := <-claim.Messages():
			if !isOpen || m.left == 0 {
				return nil
			}
			print(line{message.Offset, message.Key, message.Value, [][2]any{}})
			session.MarkMessage(message, "")
			if m.left--; m.left == 0 {
				m.done()
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func read(bootstrap, topic, count string) {
	left, err := strconv.Atoi(count)
	check(err)
	config := secured()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	group, err := sarama.NewConsumerGroup([]string{bootstrap}, os.Getenv("GROUP"), config)
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	reader := &member{left, cancel}
	for reader.left > 0 && ctx.Err() == nil {
		check(group.Consume(ctx, []string{topic}, reader))
	}
	check(group.Close())
	if reader.left > 0 {
		log.Fatalf("%d records have not come", reader.left)
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
