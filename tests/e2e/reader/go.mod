module cluster.invalid/reader

go 1.24
