// A server that reads frames and answers each with bytes of the right shape, and does nothing else.

package main

import (
	"encoding/binary"
	"fmt"
	"net"
)

const (
	smallAnswer = 64
	headBytes   = correlationIDAt + 4
)

func serveNull() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		socket, err := listener.Accept()
		if err != nil {
			return err
		}
		go answerAll(socket)
	}
}

// answerAll serves one connection until it ends. A fetch gets as many bytes as it wants.
func answerAll(socket net.Conn) {
	defer socket.Close()
	incoming := make([]byte, 1<<18)
	var frame, outgoing []byte // the head of the frame under way; what is to be written
	skip := 0
	for {
		n, err := socket.Read(incoming)
		if err != nil {
			return
		}
		data := incoming[:n]
		for len(data) > 0 {
			if skip > 0 {
				passed := min(skip, len(data))
				frame = keepEnd(frame, data[:passed])
				skip -= passed
				data = data[passed:]
				if skip > 0 {
					break
				}
			} else {
				missing := min(headBytes-len(frame), len(data))
				frame = append(frame, data[:missing]...)
				data = data[missing:]
				if len(frame) < headBytes {
					break
				}
				skip = int(binary.BigEndian.Uint32(frame)) + 4 - headBytes
				if skip > 0 {
					continue
				}
			}
			outgoing = appendAnswer(outgoing, frame)
			frame = frame[:0]
		}
		if len(outgoing) > 0 {
			if _, err := socket.Write(outgoing); err != nil {
				return
			}
			outgoing = outgoing[:0]
		}
	}
}

// keepEnd keeps the head of a frame, and its last four bytes behind it: what a fetch wants.
func keepEnd(frame, more []byte) []byte {
	if len(more) >= 4 {
		return append(frame[:headBytes], more[len(more)-4:]...)
	}
	frame = append(frame, more...)
	if extra := len(frame) - headBytes - 4; extra > 0 {
		frame = append(frame[:headBytes], frame[headBytes+extra:]...)
	}
	return frame
}

func appendAnswer(outgoing, frame []byte) []byte {
	size := smallAnswer
	if binary.BigEndian.Uint16(frame[apiKeyAt:]) == fetchKey {
		size += int(binary.BigEndian.Uint32(frame[headBytes:]))
	}
	outgoing = binary.BigEndian.AppendUint32(outgoing, uint32(size))
	outgoing = append(outgoing, frame[correlationIDAt:headBytes]...)
	return append(outgoing, make([]byte, size-4)...)
}
