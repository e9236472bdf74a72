# SPDX-License-Identifier: MIT
#
# Claim: Perl forks to a node by FFI::Platypus alone and goes on there as after fork(): data, closures,
# compiled patterns, exceptions, destructors, signal handlers, streams, XS modules that are loaded there,
# children of its own; $$ is the new one, and rand() goes on as a copy does.  It also moves, an
# executable of it restarts, and a node restarts its checkpoint.
#
# Run by perl_goes_on_on_nodes.sh: HOST, a path for executable and checkpoint, and undump(1).
use strict;
use warnings;
use FFI::Platypus 2.00;
use POSIX qw(_exit SIGUSR1);

my ($host, $path, $undump) = @ARGV;
my $ffi = FFI::Platypus->new(api => 2, lib => 'librfork.so.0');
$ffi->attach($_ => ['string'] => 'sint32') for qw(rfork rfork_move rfork_undump);
$ffi->attach(rfork_checkpoint => ['uint32'] => 'sint64');
$ffi->attach($_ => [qw(sint64 sint32)] => 'sint32') for qw(rfork_commit rfork_commit_wait);
$ffi->attach(rfork_error => [] => 'string');
$ffi->attach(rfork_atfork => [qw(opaque opaque ()->void)] => 'sint32');

package Guard {
	our $ended = 0;
	sub new { return bless {}, shift }
	sub DESTROY { $ended++ }
}

sub expect {
	my ($what, $value, $expected) = @_;
	die "$what: '$value', not '$expected'\n" if $value ne $expected;
}

# -- the state of a program that forks --------------------------------------------------------------

my %data = map { $_ => { square => $_ * $_, list => [1 .. $_ % 7] } } 1 .. 50000;
my $total = 0;
my $adder = sub { $total += shift; return $total };
my $pattern = qr/(?<word>[[:alpha:]]+)-(?<number>\d+)/;
my $guard = Guard->new;
my @caught;
my $arrivals = 0;
my $home = $$;
my $note = $ffi->closure(sub { $arrivals++ });    # the library calls Perl code when it arrives

local $SIG{USR1} = sub { push @caught, $$ };
$adder->(40);
srand(7);
my $before = rand();

# -- what must be so in each copy -------------------------------------------------------------------

sub check_data {
	expect('data', $data{49999}{square}, 49999 ** 2);
	expect('lists', scalar @{ $data{6}{list} }, 6);
	expect('closure', $adder->(2), 42);
	expect('pattern', 'step-17' =~ $pattern ? "$+{word} $+{number}" : '', 'step 17');
	expect('exception', eval { die { code => 5 } } // $@->{code}, 5);
	expect('nested exception', eval { eval { die "in\n" }; die "out $@" } // $@, "out in\n");
	undef $guard;
	expect('destructors', $Guard::ended, 1);
	expect('functions called', $arrivals, 1);
}

sub check_system {
	die "the process is the same\n" if $$ == $home || $$ != POSIX::getpid();
	kill SIGUSR1, $$;
	expect('signals caught', "@caught", $$);
	expect('command', `echo there`, "there\n");
	my $pid = fork() // die "fork: $!\n";
	_exit(9) if $pid == 0;
	waitpid($pid, 0);
	expect('fork child', $? >> 8, 9);
	require List::Util;      # holds C code, like the next
	require Digest::MD5;
	expect('module', List::Util::sum(1 .. 10), 55);
	expect('second module', Digest::MD5::md5_hex('rfork') =~ /^[0-9a-f]{32}$/ ? 1 : 0, 1);
}

sub end_child {
	eval { check_data(); check_system(); 1 } or do { print STDERR "in the copy: $@"; _exit(1) };
	_exit(42);
}

sub expect_child {
	my ($what, $pid) = @_;
	waitpid($pid, 0);
	expect($what, $?, 42 << 8);
}

# -- the ways ---------------------------------------------------------------------------------------

sub fork_two {
	my @draws;
	for (1 .. 2) {
		pipe(my $from, my $to) or die "pipe: $!\n";
		my $pid = rfork($host);
		die 'rfork: ', rfork_error(), "\n" if $pid < 0;
		if ($pid == 0) {
			syswrite($to, rand() . "\n");
			end_child();
		}
		close($to);
		push @draws, scalar <$from>;
		expect_child('child', $pid);
	}
	expect('rand() in copies', $draws[0], $draws[1]);
	expect('rand() at home', rand() . "\n", $draws[0]);
}

sub move {
	my $pid = fork() // die "fork: $!\n";
	if ($pid == 0) {
		$home = 0;
		die 'rfork_move: ', rfork_error(), "\n" if rfork_move($host) < 0;
		end_child();
	}
	expect_child('process that has moved', $pid);
}

# True where the executable has been written, false in a process that it is.
sub undump_itself {
	my $written = rfork_undump($path);
	die 'rfork_undump: ', rfork_error(), "\n" if $written < 0;
	return $written;
}

# The same by a statefile.
sub checkpoint {
	my $crid = rfork_checkpoint(0);
	die 'rfork_checkpoint: ', rfork_error(), "\n" if $crid < 0;
	return 0 if $crid == 0;
	open(my $file, '>', $path) or die "$path: $!\n";
	die 'rfork_commit: ', rfork_error(), "\n"
		if rfork_commit($crid, fileno($file)) < 0 || rfork_commit_wait($crid, -1) < 0;
	return 1;
}

sub restart {
	my ($write, @command) = @_;

	my $pid = fork() // die "fork: $!\n";
	if ($pid == 0) {
		_exit(0) if $write->();
		end_child();
	}
	waitpid($pid, 0);
	expect('writing', $?, 0);
	for (1 .. 2) {
		expect('restarted', system(@command), 42 << 8);
	}
	unlink($path);
}

die rfork_error() if rfork_atfork(undef, undef, $note) < 0;
expect('nobody listens', rfork('127.0.0.1:1'), -1);
fork_two();
move();
restart(\&undump_itself, $path);
restart(\&checkpoint, $undump, '--to', $host, $path);
expect('closure at home', $adder->(0), 40);
