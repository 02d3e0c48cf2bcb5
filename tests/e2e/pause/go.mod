module cluster.invalid/pause

go 1.24
