module minibroker/interop

go 1.26

require (
	github.com/IBM/sarama v1.61.1
	github.com/xdg-go/scram v1.2.0
)
