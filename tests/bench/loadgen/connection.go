// One connection: keeps so many requests in flight, and looks at every answer.

package main

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

const coordinatorLoadInProgress = 14

type connection struct {
	load      Load
	socket    net.Conn
	frame     []byte // the request; numbers in it are written anew for each
	batchAt   int    // where its batch begins; for fetch, where its offset stands
	errorAt   int    // where an answer has its error code, after its size; 0: it has none
	number    int
	sequences []uint32 // the next base sequence, by partition
	sent      int      // over all time; the correlation id of the next request
	answered  int
	sentAt    []time.Time // by correlation id, modulo its length
	took      []time.Duration
	received  int64
	unparsed  []byte // bytes received, from the head of an answer on
	skip      int    // bytes of the answer under way that need not be looked at
	outgoing  []byte
	incoming  []byte
}

func open(load Load, number int) (*connection, error) {
	socket, err := net.DialTimeout("tcp", load.Address, stuckAfter)
	if err != nil {
		return nil, err
	}
	if load.TLS {
		socket = tls.Client(socket, &tls.Config{InsecureSkipVerify: true})
	}
	c := &connection{
		load:      load,
		number:    number,
		socket:    socket,
		sequences: make([]uint32, load.Partitions),
		sentAt:    make([]time.Time, load.InFlight),
		incoming:  make([]byte, 1<<18),
	}
	answeredTopic := 4 + 4 + 2 + len(load.Topic) + 4 + 4 // correlation id, array, name, array, index
	switch load.API {
	case "produce":
		c.frame, c.batchAt = produceFrame(load.Topic, load.Records, load.RecordBytes)
		c.errorAt = answeredTopic
	case "fetch":
		c.frame, c.batchAt = fetchFrame(load.Topic, load.FetchBytes)
		c.errorAt = answeredTopic + 4 // throttle time
	case "metadata":
		c.frame = metadataFrame()
	default:
		return nil, fmt.Errorf("unknown api %q", load.API)
	}
	if load.Idempotent {
		err = c.takeProducerID()
	}
	return c, err
}

// takeProducerID writes an id of its own into the frame's batch.
func (c *connection) takeProducerID() error {
	for until := time.Now().Add(stuckAfter); ; time.Sleep(10 * time.Millisecond) {
		answer, err := c.ask(initProducerIDFrame())
		if err != nil {
			return err
		}
		code := binary.BigEndian.Uint16(answer[8:])
		if code == coordinatorLoadInProgress && time.Now().Before(until) {
			continue // Kafka fetches its first block of ids when somebody asks
		}
		if code != 0 {
			return fmt.Errorf("InitProducerId was answered with error %d", code)
		}
		copy(c.frame[c.batchAt+producerIDAt:], answer[10:20]) // id and epoch
		return nil
	}
}

// ask sends one request and waits for its answer, which it returns without its size.
func (c *connection) ask(frame []byte) ([]byte, error) {
	_ = c.socket.SetDeadline(time.Now().Add(stuckAfter))
	if _, err := c.socket.Write(frame); err != nil {
		return nil, err
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.socket, head); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head))
	_, err := io.ReadFull(c.socket, body)
	return body, err
}

// forget drops what was measured so far.
func (c *connection) forget() {
	c.took = make([]time.Duration, 0, 1<<16)
	c.received = 0
}

// send keeps the window full until that time, or for count requests; then waits for all answers.
// A window is topped up by half at once, so that requests leave many in a write.
func (c *connection) send(until time.Time, count int) error {
	half := max(1, c.load.InFlight/2)
	first := c.sent
	_ = c.socket.SetDeadline(until.Add(stuckAfter))
	for {
		now := time.Now()
		open := c.sent - c.answered
		goesOn := now.Before(until)
		if count > 0 {
			goesOn = c.sent-first < count
		}
		if goesOn && open+half <= c.load.InFlight {
			c.outgoing = c.outgoing[:0]
			for room := c.load.InFlight - open; room >= half; room -= half {
				for n := 0; n < half; n++ {
					c.add(now)
				}
			}
			if _, err := c.socket.Write(c.outgoing); err != nil {
				return err
			}
		} else if !goesOn && open == 0 {
			return nil
		}
		n, err := c.socket.Read(c.incoming)
		if err != nil {
			return fmt.Errorf("after %d answers: %w", c.answered, err)
		}
		if err := c.look(c.incoming[:n], time.Now()); err != nil {
			return err
		}
	}
}

// add writes the next request to the outgoing bytes.
func (c *connection) add(now time.Time) {
	binary.BigEndian.PutUint32(c.frame[correlationIDAt:], uint32(c.sent))
	// Connections that send together write to different partitions, as far as there are any.
	partition := (c.number + c.sent) % c.load.Partitions
	switch {
	case c.load.API == "fetch":
		binary.BigEndian.PutUint32(c.frame[c.batchAt-4:], uint32(partition))
		offset := uint64(c.sent * 7919 % c.load.FetchRange) // a prime: all over the log
		binary.BigEndian.PutUint64(c.frame[c.batchAt:], offset)
	case c.load.API == "produce":
		binary.BigEndian.PutUint32(c.frame[c.batchAt-8:], uint32(partition))
		if c.load.Idempotent {
			batch := c.frame[c.batchAt:]
			binary.BigEndian.PutUint32(batch[baseSequenceAt:], c.sequences[partition])
			seal(batch)
			next := c.sequences[partition] + uint32(c.load.Records)
			c.sequences[partition] = next & 0x7fff_ffff
		}
	}
	c.sentAt[c.sent%len(c.sentAt)] = now
	c.outgoing = append(c.outgoing, c.frame...)
	c.sent++
}

// look takes received bytes apart. Of an answer only the head is kept: what follows the error code
// is counted and passed over.
func (c *connection) look(data []byte, now time.Time) error {
	c.received += int64(len(data))
	for len(data) > 0 {
		if c.skip > 0 {
			passed := min(c.skip, len(data))
			c.skip -= passed
			data = data[passed:]
			continue
		}
		head := 8
		if c.errorAt > 0 {
			head = 4 + c.errorAt + 2
		}
		missing := min(head-len(c.unparsed), len(data))
		c.unparsed = append(c.unparsed, data[:missing]...)
		data = data[missing:]
		if len(c.unparsed) < head {
			return nil
		}
		if err := c.judge(c.unparsed, now); err != nil {
			return err
		}
		c.skip = int(binary.BigEndian.Uint32(c.unparsed)) + 4 - head
		c.unparsed = c.unparsed[:0]
	}
	return nil
}

func (c *connection) judge(head []byte, now time.Time) error {
	if id := binary.BigEndian.Uint32(head[4:]); id != uint32(c.answered) {
		return fmt.Errorf("answer %d has correlation id %d", c.answered, id)
	}
	if c.errorAt > 0 {
		if code := int16(binary.BigEndian.Uint16(head[4+c.errorAt:])); code != 0 {
			return fmt.Errorf("%s was answered with error %d", c.load.API, code)
		}
	}
	c.took = append(c.took, now.Sub(c.sentAt[c.answered%len(c.sentAt)]))
	c.answered++
	return nil
}
