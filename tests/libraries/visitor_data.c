/* SPDX-License-Identifier: MIT */
/*
 * What the visitor's C library reads of the node's files: users, locales, conversions, names of
 * hosts; some of it by modules that belong to another build of the C library.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <grp.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <netdb.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#include "tests/libraries/visitor.h"

/* User, group and host that are in the place which release.sh has furnished, and nowhere else. */
#define VISITED "visited"
#define VISITED_ID 4711
#define VISITED_HOST "visited.invalid"
#define VISITED_ADDRESS 0xc000022f /* 192.0.2.47 */

#define LOCALE "C.UTF-8"
#define LOCALE_FILE "/C.utf8/LC_TIME"

static iconv_t conversion;

/* Before: who is found only there is not found here. */
void visit_miss_user(void)
{
	CHECK((getpwnam(VISITED) != NULL) == !visit_is_later);
}

void visit_find_user(void)
{
	struct passwd *user = getpwnam(VISITED);

	CHECK((user != NULL) == visit_is_later);
	if (user)
		CHECK_EQUAL(user->pw_uid, VISITED_ID);
	user = getpwuid(0);
	CHECK(user);
	CHECK_TEXT(user->pw_name, "root");
}

static void look_up(const char *services)
{
	struct group *group;

	CHECK_EQUAL(__nss_configure_lookup("group", services), 0);
	group = getgrnam("root");
	CHECK(group);
	CHECK_EQUAL(group->gr_gid, 0);
	group = getgrnam(VISITED);
	CHECK((group != NULL) == visit_is_later);
	if (group)
		CHECK_EQUAL(group->gr_gid, VISITED_ID);
}

void visit_load_module(void)
{
	look_up("compat");
	CHECK(visit_has_mapped("/libnss_compat.so.2"));
}

/* Of the earlier release all modules load, and this one would ask the network. */
void visit_load_later_module(void)
{
	if (!visit_is_later)
		return;
	look_up("hesiod files");
	CHECK(!visit_has_mapped("/libnss_hesiod.so.2"));
}

void visit_check_locale(void)
{
	wchar_t wide[8];

	CHECK_TEXT(nl_langinfo(CODESET), "UTF-8");
	CHECK_EQUAL(mbstowcs(wide, "\xc3\xa9t\xc3\xa9", 8), 3);
	CHECK(wide[0] == 0xe9);
}

void visit_set_locale(void)
{
	CHECK(setlocale(LC_CTYPE, LOCALE));
	visit_check_locale();
}

void visit_use_locale(void)
{
	CHECK_TEXT(setlocale(LC_CTYPE, NULL), LOCALE);
	visit_check_locale();
}

/* All of it but what the next claim has loaded before, in an executable. */
void visit_load_locale(void)
{
	locale_t locale = newlocale(LC_ALL_MASK, LOCALE, NULL);

	CHECK(locale);
	CHECK(uselocale(locale));
	CHECK(visit_has_mapped(LOCALE_FILE));
	visit_check_locale();
}

static void convert(const char *from, const char *to)
{
	char text[16], *in = (char *)from, *out = text;
	size_t bytes = strlen(from), room = sizeof(text) - 1;

	CHECK_EQUAL(iconv(conversion, &in, &bytes, &out, &room), 0);
	*out = '\0';
	CHECK_TEXT(text, to);
}

void visit_begin_conversion(void)
{
	conversion = CHECK_CALL(iconv_open("UTF-8", "KOI8-R"));
	CHECK(visit_has_mapped("/gconv/KOI8-R.so"));
	convert("\xc1", "\xd0\xb0");
}

void visit_go_on_converting(void)
{
	convert("\xc2", "\xd0\xb1");
	CHECK(!visit_has_mapped("/gconv/KOI8-R.so"));
	CHECK_EQUAL(iconv_close(conversion), 0);
}

void visit_load_conversion(void)
{
	conversion = CHECK_CALL(iconv_open("UTF-8", "ISO-8859-15"));
	CHECK(visit_has_mapped("/gconv/ISO8859-15.so"));
	convert("\xa4", "\xe2\x82\xac");
}

/* By a module that came along from there. */
void visit_end_conversion(void)
{
	CHECK(!visit_has_mapped("/gconv/ISO8859-15.so"));
	convert("\xbd", "\xc5\x93");
	CHECK_EQUAL(iconv_close(conversion), 0);
}

/* By files alone: no name server is asked. */
static bool find_host(const char *name, in_addr_t expected)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;

	CHECK_EQUAL(__nss_configure_lookup("hosts", "files"), 0);
	if (getaddrinfo(name, "80", &hints, &found))
		return false;
	CHECK_EQUAL(ntohl(((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr.s_addr),
		    expected);
	freeaddrinfo(found);
	return true;
}

void visit_miss_host(void)
{
	CHECK(find_host(VISITED_HOST, VISITED_ADDRESS) == !visit_is_later);
}

void visit_find_host(void)
{
	CHECK(find_host("localhost", INADDR_LOOPBACK));
	CHECK(find_host(VISITED_HOST, VISITED_ADDRESS) == visit_is_later);
}

/* A shell and another program, each with the C library of the node. */
static bool is_in_the_users_file(void)
{
	CHECK_EQUAL(unsetenv("LD_LIBRARY_PATH"), 0);
	return system("grep -q ^" VISITED ": /etc/passwd") == 0;
}

void visit_run_program(void)
{
	CHECK_EQUAL(is_in_the_users_file(), visit_is_later);
}

void visit_run_home_program(void)
{
	CHECK_EQUAL(is_in_the_users_file(), !visit_is_later);
}
