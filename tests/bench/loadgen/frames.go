// Requests as bytes: Produce v7, Fetch v4, Metadata v1, InitProducerId v1 (none is flexible).
// Source: clients/src/main/resources/common/message/*.json of Apache Kafka, DefaultRecordBatch.

package main

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

const (
	produceKey, produceVersion               = 0, 7
	fetchKey, fetchVersion                   = 1, 4
	metadataKey, metadataVersion             = 3, 1
	initProducerIDKey, initProducerIDVersion = 22, 1

	apiKeyAt, correlationIDAt = 4, 8 // in a frame, after its size
	crcAt, attributesAt       = 17, 21
	producerIDAt              = 43
	baseSequenceAt            = 53
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type writer struct{ bytes []byte }

func (w *writer) int8(value int)    { w.bytes = append(w.bytes, byte(value)) }
func (w *writer) int16(value int)   { w.bytes = binary.BigEndian.AppendUint16(w.bytes, uint16(value)) }
func (w *writer) int32(value int)   { w.bytes = binary.BigEndian.AppendUint32(w.bytes, uint32(value)) }
func (w *writer) int64(value int64) { w.bytes = binary.BigEndian.AppendUint64(w.bytes, uint64(value)) }
func (w *writer) text(value string) {
	w.int16(len(value))
	w.bytes = append(w.bytes, value...)
}

// request begins a frame; its size is written by framed.
func request(key, version int) *writer {
	w := &writer{make([]byte, 4, 256)}
	w.int16(key)
	w.int16(version)
	w.int32(0) // correlation id
	w.text("loadgen")
	return w
}

func framed(w *writer) []byte {
	binary.BigEndian.PutUint32(w.bytes, uint32(len(w.bytes)-4))
	return w.bytes
}

// produceFrame is one batch for one partition; returns where the batch begins in it, too. The
// partition stands eight bytes before.
func produceFrame(topic string, records, recordBytes int) ([]byte, int) {
	batch := recordBatch(records, recordBytes)
	w := request(produceKey, produceVersion)
	w.int16(-1) // no transactional id
	w.int16(-1) // acks=all
	w.int32(30_000)
	w.int32(1)
	w.text(topic)
	w.int32(1)
	w.int32(0) // partition
	w.int32(len(batch))
	at := len(w.bytes)
	w.bytes = append(w.bytes, batch...)
	return framed(w), at
}

func recordBatch(records, recordBytes int) []byte {
	now := time.Now().UnixMilli()
	w := &writer{make([]byte, 0, 100+records*(recordBytes+20))}
	w.int64(0) // base offset
	w.int32(0) // length, below
	w.int32(-1)
	w.int8(2)  // magic
	w.int32(0) // crc, below
	w.int16(0) // attributes
	w.int32(records - 1)
	w.int64(now)
	w.int64(now)
	w.int64(-1) // producer id
	w.int16(-1)
	w.int32(-1)
	w.int32(records)
	value := make([]byte, recordBytes)
	for index := range value {
		value[index] = 'x'
	}
	for offset := 0; offset < records; offset++ {
		body := []byte{0, 0}                            // attributes, timestamp delta
		body = binary.AppendVarint(body, int64(offset)) // zigzag, as Kafka's
		body = append(body, 1)                          // no key: -1
		body = binary.AppendVarint(body, int64(recordBytes))
		body = append(body, value...)
		body = append(body, 0) // no headers
		w.bytes = binary.AppendVarint(w.bytes, int64(len(body)))
		w.bytes = append(w.bytes, body...)
	}
	binary.BigEndian.PutUint32(w.bytes[8:], uint32(len(w.bytes)-12))
	seal(w.bytes)
	return w.bytes
}

// seal writes the checksum of a batch.
func seal(batch []byte) {
	binary.BigEndian.PutUint32(batch[crcAt:], crc32.Checksum(batch[attributesAt:], castagnoli))
}

// fetchFrame asks for one partition; returns where the offset stands, the partition right before.
func fetchFrame(topic string, wanted int) ([]byte, int) {
	w := request(fetchKey, fetchVersion)
	w.int32(-1) // replica
	w.int32(0)  // wait
	w.int32(1)  // bytes at least
	w.int32(50 << 20)
	w.int8(0) // read_uncommitted
	w.int32(1)
	w.text(topic)
	w.int32(1)
	w.int32(0) // partition
	at := len(w.bytes)
	w.int64(0) // offset
	w.int32(wanted)
	return framed(w), at
}

func metadataFrame() []byte {
	w := request(metadataKey, metadataVersion)
	w.int32(-1) // all topics
	return framed(w)
}

func initProducerIDFrame() []byte {
	w := request(initProducerIDKey, initProducerIDVersion)
	w.int16(-1)
	w.int32(60_000)
	return framed(w)
}
