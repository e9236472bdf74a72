// SPDX-License-Identifier: MIT
//
// Claim: a C++ program goes on on a node as after fork(): it throws and catches there, through frames
// that were entered before and with exceptions that were in flight before; thread-local objects, static
// objects and streams are copies, whose destructors run once at home and once there; it starts threads,
// knows its types, and has its locale.  It also moves, an executable of it restarts, and a node
// restarts its checkpoint.
//
// Run by cplusplus_goes_on_on_nodes.sh: HOST, a path for executable and checkpoint, and undump(1).
#include <rfork.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{

constexpr int right = 42;
int ends_fd = -1; // where destructors say that they run

void require(bool condition, const char *what)
{
	if (!condition)
		throw std::logic_error(what);
}

// Says how often each kind of object ends.
struct Mortal {
	explicit Mortal(char kind) : kind(kind)
	{
	}
	~Mortal()
	{
		if (ends_fd >= 0 && write(ends_fd, &kind, 1) != 1)
			_exit(1);
	}
	char kind;
};

Mortal in_static_memory('s');
thread_local Mortal in_thread('t');
thread_local std::string thread_word = "unset";

struct Shape {
	virtual ~Shape() = default;
	virtual int corners() const = 0;
};
struct Square : Shape {
	int corners() const override
	{
		return 4;
	}
};

struct Failure : std::runtime_error {
	Failure(std::string text, int code) : std::runtime_error(text), code(code)
	{
	}
	int code;
};

// Unwinds `depth` frames, each of which has something to destroy.
int dive(int depth, int *destroyed)
{
	struct Counter {
		int *count;
		~Counter()
		{
			++*count;
		}
	} counter{ destroyed };

	if (depth == 0)
		throw Failure("from the depth", 7);
	return dive(depth - 1, destroyed) + 1;
}

struct State {
	std::map<std::string, std::vector<int>> words;
	std::unique_ptr<Shape> shape = std::make_unique<Square>();
	std::function<int(int)> add = [this](int n) { return total += n; };
	std::regex pattern{ "([a-z]+)-([0-9]+)" };
	std::exception_ptr earlier;
	std::ostringstream stream;
	int total = 40;

	State()
	{
		for (int i = 0; i < 20000; i++)
			words["word " + std::to_string(i)] = std::vector<int>(i % 5, i);
		try {
			throw Failure("kept", 5);
		} catch (...) {
			earlier = std::current_exception();
		}
		thread_word = "main's";
		in_thread.kind = 't';
		stream << "begun here, ";
	}
};

// -- what must be so in each copy -----------------------------------------------------------------

void check_objects(State &state)
{
	std::smatch match;
	const std::string step = "step-17";

	require(state.words.at("word 19999").size() == 4, "map");
	require(state.add(2) == 42, "closure");
	require(dynamic_cast<Square *>(state.shape.get()) && state.shape->corners() == 4, "types");
	require(std::regex_match(step, match, state.pattern) && match[2] == "17", "pattern");
	require(thread_word == "main's", "thread-local");
	state.stream << "and ended there";
	require(state.stream.str() == "begun here, and ended there", "stream");
	std::locale::global(std::locale("C.UTF-8"));
}

void check_exceptions(State &state)
{
	int destroyed = 0, code = 0;

	try {
		dive(1000, &destroyed);
	} catch (const Failure &failure) {
		code = failure.code;
	}
	require(code == 7 && destroyed == 1001, "exception thrown here");
	try {
		std::rethrow_exception(state.earlier);
	} catch (const Failure &failure) {
		code = failure.code;
		require(failure.what() == std::string("kept"), "its words");
	}
	require(code == 5, "exception that was kept");
	try {
		state.words.at("nothing of the kind");
		code = 0;
	} catch (const std::out_of_range &) {
		code = 1;
	}
	require(code == 1, "exception of the library");
}

void check_threads()
{
	auto promised = std::async(std::launch::async, [] {
		if (thread_word != "unset")
			throw std::logic_error("a new thread has the old one's objects");
		throw Failure("of a thread", 9);
		return 0;
	});

	try {
		promised.get();
	} catch (const Failure &failure) {
		require(failure.code == 9, "exception of a thread");
		return;
	}
	throw std::logic_error("no exception of a thread");
}

void check_all(State &state)
{
	check_objects(state);
	check_exceptions(state);
	check_threads();
}

// -- the ways -------------------------------------------------------------------------------------

enum class Ways { child, moved, executable, checkpoint };

// 0 in a process that is restarted from the statefile, 1 in the one that has written it.
int checkpoint(const char *path)
{
	rfork_crid_t crid = rfork_checkpoint(0);
	int fd, result = -1;

	if (crid <= 0)
		return crid < 0 ? -1 : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && rfork_commit(crid, fd) == 0 && rfork_commit_wait(crid, -1) == 0)
		result = 1;
	close(fd);
	return result;
}

int leave_itself(Ways way, const char *where)
{
	switch (way) {
	case Ways::moved:
		return rfork_move(where);
	case Ways::executable:
		return rfork_undump(where);
	default:
		return checkpoint(where);
	}
}

// True in the process that goes on.  Otherwise *pid is that of it, or of who writes it, at home.
bool leave(Ways way, const char *where, pid_t *pid)
{
	int result = 0;

	*pid = 0;
	if (way == Ways::child) {
		*pid = result = rfork(where);
	} else {
		*pid = fork();
		if (*pid == 0)
			result = leave_itself(way, where);
		else
			result = 1;
		if (*pid == 0 && result == 1)
			_exit(0);
	}
	if (result < 0)
		throw std::runtime_error(rfork_error());
	return result == 0;
}

// Leaves inside a handler, so that an exception is in flight, and a frame of each kind around it.
bool leave_in_handler(Ways way, const char *where, pid_t *pid, State &state)
{
	bool is_there = false;

	try {
		try {
			throw Failure("in flight", 3);
		} catch (...) {
			is_there = leave(way, where, pid);
			if (is_there)
				check_all(state);
			throw; // on both sides
		}
	} catch (const Failure &failure) {
		require(failure.code == 3, "in flight");
	}
	require(!std::current_exception() && std::uncaught_exceptions() == 0, "all are caught");
	return is_there;
}

void expect_exit(pid_t pid, int code)
{
	int status;

	require(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "it did not end by itself");
	require(WEXITSTATUS(status) == code, "its exit status");
}

// One that goes on to the end of main(): what it writes when its objects end.
std::string visit(Ways way, const char *where, State &state)
{
	int ends[2];
	pid_t pid;
	std::string ended;
	char kind;

	require(pipe(ends) == 0, "pipe");
	if (leave_in_handler(way, where, &pid, state)) {
		ends_fd = ends[1];
		std::exit(right);
	}
	close(ends[1]);
	expect_exit(pid, right);
	while (read(ends[0], &kind, 1) == 1)
		ended += kind;
	close(ends[0]);
	return ended;
}

void restart(Ways way, const char *path, std::vector<const char *> command, State &state)
{
	pid_t pid;

	if (leave_in_handler(way, path, &pid, state))
		std::exit(right);
	expect_exit(pid, 0);
	for (int i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			command.push_back(nullptr);
			execv(command[0], const_cast<char **>(command.data()));
			_exit(127);
		}
		expect_exit(pid, right);
	}
	unlink(path);
}

} // namespace

int main(int, char **argv)
{
	try {
		State state;

		// thread-local objects end before static ones
		require(visit(Ways::child, argv[1], state) == "ts", "destructors in the child");
		require(visit(Ways::moved, argv[1], state) == "ts", "destructors after a move");
		restart(Ways::executable, argv[2], { argv[2] }, state);
		restart(Ways::checkpoint, argv[2], { argv[3], "--to", argv[1], argv[2] }, state);
		require(state.total == 40 && state.stream.str() == "begun here, ", "state at home");
	} catch (const std::exception &error) {
		std::cerr << error.what() << "\n";
		return 1;
	}
	return 0;
}
