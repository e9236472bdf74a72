# SPDX-License-Identifier: MIT
#
# bench/run and what it runs: rfork-bench starts the server and makes the table, the subjects
# fork themselves to it, or to files, and nothing and hello are programs that end at once (floors).

noinst_PROGRAMS += \
	%D%/rfork-bench \
	%D%/rfork-bench-checkpoint \
	%D%/rfork-bench-hello \
	%D%/rfork-bench-image \
	%D%/rfork-bench-memory \
	%D%/rfork-bench-minimal \
	%D%/rfork-bench-nothing \
	%D%/rfork-bench-packing \
	%D%/rfork-bench-relay \
	%D%/rfork-bench-resident \
	%D%/rfork-bench-road

%C%_rfork_bench_SOURCES = \
	%D%/bench.c \
	%D%/clock.h \
	%D%/counter.c %D%/counter.h \
	%D%/floor_tcp.c %D%/floor_tcp.h \
	%D%/ib_read.c %D%/ib_read.h \
	%D%/node.c %D%/node.h \
	%D%/rows_checkpoint.c %D%/rows_checkpoint.h \
	%D%/rows_packing.c %D%/rows_packing.h \
	%D%/rows_rdma.c %D%/rows_rdma.h \
	%D%/scratch.c %D%/scratch.h \
	%D%/series.c %D%/series.h \
	%D%/subject.c %D%/subject.h

%C%_rfork_bench_checkpoint_SOURCES = \
	%D%/checkpoint.c \
	%D%/clock.h \
	%D%/dumps.c %D%/dumps.h \
	%D%/measure.c %D%/measure.h \
	%D%/region.c %D%/region.h
%C%_rfork_bench_checkpoint_LDADD = librfork.la

%C%_rfork_bench_hello_SOURCES = %D%/hello.c

%C%_rfork_bench_image_SOURCES = \
	%D%/image.c \
	%D%/region.c %D%/region.h
%C%_rfork_bench_image_LDADD = librfork.la

%C%_rfork_bench_memory_SOURCES = \
	%D%/clock.h \
	%D%/floor_tcp.c %D%/floor_tcp.h \
	%D%/measure.c %D%/measure.h \
	%D%/memory.c \
	%D%/region.c %D%/region.h
%C%_rfork_bench_memory_LDADD = librfork.la

%C%_rfork_bench_minimal_SOURCES = \
	%D%/clock.h \
	%D%/measure.c %D%/measure.h \
	%D%/minimal.c
%C%_rfork_bench_minimal_LDADD = librfork.la

%C%_rfork_bench_nothing_SOURCES = %D%/nothing.c
%C%_rfork_bench_nothing_LDFLAGS = -all-static

%C%_rfork_bench_packing_SOURCES = \
	%D%/clock.h \
	%D%/measure.c %D%/measure.h \
	%D%/packing.c \
	%D%/region.c %D%/region.h
%C%_rfork_bench_packing_LDADD = librfork.la

%C%_rfork_bench_relay_SOURCES = \
	%D%/clock.h \
	%D%/floor_tcp.c %D%/floor_tcp.h \
	%D%/relay.c
%C%_rfork_bench_relay_LDADD = librfork.la

%C%_rfork_bench_resident_SOURCES = \
	%D%/region.c %D%/region.h \
	%D%/resident.c
%C%_rfork_bench_resident_LDADD = librfork.la

%C%_rfork_bench_road_SOURCES = \
	%D%/clock.h \
	%D%/measure.c %D%/measure.h \
	%D%/region.c %D%/region.h \
	%D%/road.c
%C%_rfork_bench_road_LDADD = librfork.la

EXTRA_DIST += %D%/README.md %D%/run
