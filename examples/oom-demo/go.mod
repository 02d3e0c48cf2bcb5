module oom-demo

go 1.22
