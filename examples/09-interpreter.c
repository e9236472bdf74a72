/* SPDX-License-Identifier: MIT */
/*
 * Run: 09-interpreter APP [MODULE.lua...]
 *
 * Lesson 9: a warm interpreter as an executable.  Loads Lua with its libraries and the modules,
 * whatever time that takes, and writes APP.  From then on
 *
 *     ./APP 'return 6 * 7'
 *
 * begins where this program stood after loading, in about a millisecond, and takes the new
 * arguments.
 */
#include <rfork.h>

#include <err.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

/* What a warm interpreter knows without a module: computed once, here. */
static const char warm_up[] = "primes = {} "
			      "for n = 2, 200000 do "
			      "  local is_prime = true "
			      "  for _, p in ipairs(primes) do "
			      "    if p * p > n then break end "
			      "    if n % p == 0 then is_prime = false break end "
			      "  end "
			      "  if is_prime then primes[#primes + 1] = n end "
			      "end";

static void check(lua_State *lua, int result)
{
	if (result != LUA_OK)
		errx(1, "%s", lua_tostring(lua, -1));
}

static lua_State *load(char **modules)
{
	lua_State *lua = luaL_newstate();

	if (!lua)
		errx(1, "no memory for Lua");
	luaL_openlibs(lua);
	check(lua, luaL_dostring(lua, warm_up));
	for (; *modules; modules++)
		check(lua, luaL_dofile(lua, *modules));
	lua_settop(lua, 0);
	return lua;
}

/* Runs each argument as a chunk and prints what it returns. */
static int run(lua_State *lua, char **chunks)
{
	for (; *chunks; chunks++) {
		check(lua, luaL_dostring(lua, *chunks));
		for (int i = 1; i <= lua_gettop(lua); i++) {
			printf("%s\n", luaL_tolstring(lua, i, NULL));
			lua_pop(lua, 1);
		}
		lua_settop(lua, 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	char **arguments;
	lua_State *lua;

	if (argc < 2) {
		fprintf(stderr, "usage: %s APP [MODULE.lua...]\n", argv[0]);
		return 2;
	}
	lua = load(argv + 2);
	switch (rfork_undump(argv[1])) {
	case -1:
		errx(1, "%s", rfork_error());
	case 1:
		printf("%s is ready\n", argv[1]);
		return 0;
	}
	/* This is APP: argc and argv are those of the one that wrote it. */
	if (rfork_restart_args(NULL, &arguments, NULL) == -1)
		errx(1, "%s", rfork_error());
	return run(lua, arguments + 1);
}
