// Reads `__consumer_offsets` as kminion does: every partition from its start by franz-go, keys and
// values by kmsg, until all that was there is read. Prints a JSON document a line.
// Argument: servers. Source: kminion, minion/offset_consumer.go.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const topic = "__consumer_offsets"

type line struct {
	Kind      string `json:"kind"`
	Group     string `json:"group"`
	Topic     string `json:"topic,omitempty"`
	Partition int32  `json:"partition,omitempty"`
	Offset    int64  `json:"offset,omitempty"`
	Metadata  string `json:"metadata,omitempty"`
	Version   int16  `json:"version"`
	Members   int    `json:"members,omitempty"`
	Deleted   bool   `json:"deleted,omitempty"`
}

func main() {
	if err := run(strings.Split(os.Args[1], ",")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(servers []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(servers...),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	left, err := ends(ctx, client)
	if err != nil {
		return err
	}
	print := json.NewEncoder(os.Stdout)
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		for _, each := range fetches.Errors() {
			return fmt.Errorf("%s-%d: %w", each.Topic, each.Partition, each.Err)
		}
		for iter := fetches.RecordIter(); !iter.Done(); {
			record := iter.Next()
			found, err := decoded(record)
			if err != nil {
				return err
			}
			if err := print.Encode(found); err != nil {
				return err
			}
			if record.Offset+1 >= left[record.Partition] {
				delete(left, record.Partition)
			}
		}
	}
	return nil
}

// ends asks where each partition ends: Metadata, then ListOffsets. Empty ones are left out.
func ends(ctx context.Context, client *kgo.Client) (map[int32]int64, error) {
	name := topic
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &name
	metadata := kmsg.NewMetadataRequest()
	metadata.Topics = []kmsg.MetadataRequestTopic{asked}
	told, err := metadata.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	wanted := kmsg.NewListOffsetsRequestTopic()
	wanted.Topic = topic
	for _, each := range told.Topics[0].Partitions {
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp = each.Partition, -1
		wanted.Partitions = append(wanted.Partitions, part)
	}
	offsets := kmsg.NewListOffsetsRequest()
	offsets.Topics = []kmsg.ListOffsetsRequestTopic{wanted}
	answer, err := offsets.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	found := map[int32]int64{}
	for _, each := range answer.Topics[0].Partitions {
		if each.Offset > 0 {
			found[each.Partition] = each.Offset
		}
	}
	return found, nil
}

func decoded(record *kgo.Record) (line, error) {
	switch (&kbin.Reader{Src: record.Key}).Int16() {
	case 0, 1:
		key, value := kmsg.NewOffsetCommitKey(), kmsg.NewOffsetCommitValue()
		if err := key.ReadFrom(record.Key); err != nil {
			return line{}, fmt.Errorf("key of an offset: %w", err)
		}
		found := line{
			Kind: "offset", Group: key.Group, Topic: key.Topic, Partition: key.Partition,
			Deleted: record.Value == nil,
		}
		if record.Value != nil {
			if err := value.ReadFrom(record.Value); err != nil {
				return line{}, fmt.Errorf("value of an offset: %w", err)
			}
			found.Offset, found.Metadata, found.Version = value.Offset, value.Metadata, value.Version
		}
		return found, nil
	case 2:
		key, value := kmsg.NewGroupMetadataKey(), kmsg.NewGroupMetadataValue()
		if err := key.ReadFrom(record.Key); err != nil {
			return line{}, fmt.Errorf("key of a group: %w", err)
		}
		found := line{Kind: "group", Group: key.Group, Deleted: record.Value == nil}
		if record.Value != nil {
			if err := value.ReadFrom(record.Value); err != nil {
				return line{}, fmt.Errorf("value of a group: %w", err)
			}
			found.Version, found.Members = value.Version, len(value.Members)
		}
		return found, nil
	}
	return line{Kind: "other"}, nil
}
