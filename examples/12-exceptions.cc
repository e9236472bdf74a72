// SPDX-License-Identifier: MIT
//
// Run: 12-exceptions HOST NUMBER...
//
// Lesson 12: C++ as after fork().  Each number is factorized on the node by a copy of this program,
// with all its objects.  What it throws there is caught there, by the unwinder that came along; its
// words come home through the pipe, and are thrown again here.
#include <rfork.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace
{

class Primes
{
      public:
	explicit Primes(unsigned long limit)
	{
		for (unsigned long n = 2; n <= limit; n++)
			if (std::none_of(primes.begin(), primes.end(),
					 [n](unsigned long p) { return p * p <= n && n % p == 0; }))
				primes.push_back(n);
	}

	std::string factorize(unsigned long number) const
	{
		std::ostringstream product;
		unsigned long rest = number;

		for (unsigned long p : primes)
			for (; rest % p == 0; rest /= p)
				product << (rest == number ? "" : " * ") << p;
		if (number < 2 || (rest > 1 && rest / primes.back() >= primes.back()))
			throw std::out_of_range(std::to_string(number) + " is out of reach");
		if (rest > 1)
			product << (rest == number ? "" : " * ") << rest;
		return product.str();
	}

      private:
	std::vector<unsigned long> primes;
};

std::string read_all(int fd)
{
	std::string text;
	char buffer[4096];
	ssize_t bytes;

	while ((bytes = read(fd, buffer, sizeof(buffer))) > 0)
		text.append(buffer, static_cast<size_t>(bytes));
	close(fd);
	return text;
}

// In the child: the answer, or why there is none, and which of both by the exit status.
template <typename Work> [[noreturn]] void answer(int fd, Work work)
{
	std::string text;
	int status = EXIT_SUCCESS;

	try {
		text = work();
	} catch (const std::exception &error) {
		text = error.what();
		status = EXIT_FAILURE;
	}
	if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
		status = EXIT_FAILURE;
	_exit(status); // destructors of static objects are for the original
}

// Has `work` done on the node; returns its result, or throws what it has thrown, as words.
template <typename Work> std::string call_there(const char *host, Work work)
{
	int ends[2], status;

	if (pipe(ends) < 0)
		throw std::system_error(errno, std::generic_category(), "pipe");
	pid_t pid = rfork(host);
	if (pid < 0)
		throw std::system_error(errno, std::generic_category(), rfork_error());
	if (pid == 0)
		answer(ends[1], work);
	close(ends[1]);
	std::string text = read_all(ends[0]);
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
		throw std::runtime_error(text);
	return text;
}

} // namespace

int main(int argc, char **argv)
{
	if (argc < 3) {
		std::cerr << "usage: " << argv[0] << " HOST NUMBER...\n";
		return 2;
	}
	const Primes primes(10000);
	int status = EXIT_SUCCESS;

	for (int i = 2; i < argc; i++) {
		try {
			const unsigned long number = std::stoul(argv[i]);
			const std::string product =
				call_there(argv[1], [&] { return primes.factorize(number); });

			std::cout << number << " = " << product << std::endl;
		} catch (const std::exception &error) {
			std::cout << argv[i] << ": " << error.what() << std::endl;
			status = EXIT_FAILURE;
		}
	}
	return status;
}
