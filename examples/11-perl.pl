#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# Run: 11-perl.pl HOST... < TEXT
#
# Lesson 11: a warm Perl sends its work to nodes.  It reads a text once, here; each child has it, with
# the patterns that were compiled here, looks for a share of the words on a node, and answers through a
# pipe.  FFI::Platypus calls the library (Debian: libffi-platypus-perl); the nodes need neither.
use strict;
use warnings;
use FFI::Platypus 2.00;
use POSIX qw(_exit);

my $ffi = FFI::Platypus->new(api => 2, lib => 'librfork.so.0');
$ffi->attach(rfork => ['string'] => 'sint32');
$ffi->attach(rfork_error => [] => 'string');

# The state of rand() is a copy, as after fork(): each child begins its own.
sub fork_to {
	my ($host) = @_;
	my $pid = rfork($host);

	die "$0: ", rfork_error(), "\n" if $pid < 0;
	srand() if $pid == 0;
	return $pid;
}

# Begins $work on a node; a handle from which its lines can be read, and the pid.
sub call_there {
	my ($host, $work) = @_;

	pipe(my $from, my $to) or die "$0: pipe: $!\n";
	my $pid = fork_to($host);
	if ($pid == 0) {
		# without the destructors and END blocks of the original
		my $done = eval { print {$to} $work->(); close($to) };
		_exit($done ? 0 : 1);
	}
	close($to);
	return [$host, $pid, $from];
}

# How often each of the words stands in the text: those of one share.
sub count_share {
	my ($text, $patterns, $part, $parts) = @_;
	my @words = sort keys %$patterns;
	my @lines;

	for (my $i = $part; $i < @words; $i += $parts) {
		my $count = () = $$text =~ /$patterns->{$words[$i]}/g;
		push @lines, "$words[$i] $count $$\n";
	}
	return @lines;
}

die "usage: $0 HOST... < TEXT\n" unless @ARGV;
my $text = do { local $/; <STDIN> } // '';
my %patterns = map { $_ => qr/\b\Q$_\E\b/i } $text =~ /\b[[:alpha:]]{4,}\b/g;

$| = 1;    # nothing is left in buffers that the children would have, too
my $part = 0;
my @calls = map {
	my $mine = $part++;
	call_there($_, sub { count_share(\$text, \%patterns, $mine, scalar @ARGV) })
} @ARGV;

my (%counts, %workers);
for my $call (@calls) {
	my ($host, $pid, $from) = @$call;

	while (my $line = <$from>) {
		my ($word, $count, $worker) = split ' ', $line;
		$counts{$word} = $count;
		$workers{$worker} = 1;
	}
	waitpid($pid, 0);
	die "$0: the child on $host failed\n" if $?;
}
my @often = sort { $counts{$b} <=> $counts{$a} || $a cmp $b } keys %counts;
splice(@often, 3) if @often > 3;
printf "%d words, counted by %d processes: %s\n", scalar keys %counts, scalar keys %workers,
	join(', ', map { "$_ $counts{$_}" } @often);
