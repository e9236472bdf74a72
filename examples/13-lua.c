/* SPDX-License-Identifier: MIT */
/*
 * Run: 13-lua HOST 'CHUNK'
 *
 * Lesson 13: an embedded interpreter gets rfork() as a function of its own.  In the chunk
 *
 *     local there = spawn(function() return 6 * 7 end)
 *     print(there())
 *
 * the function runs on the node, with everything that the chunk has built until then; there() waits
 * for what it returns, or raises its error again.
 */
#include <rfork.h>

#include <err.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *host;

/* In the child: calls the function at the top of the stack, and writes its first result as text. */
static _Noreturn void answer(lua_State *lua, int fd)
{
	int result = lua_pcall(lua, 0, 1, 0);
	size_t bytes;
	const char *text = luaL_tolstring(lua, -1, &bytes);

	if (write(fd, text, bytes) != (ssize_t)bytes)
		result = LUA_ERRRUN;
	_exit(result == LUA_OK ? 0 : 1);
}

/* there(): the result of the child that it stands for. */
static int wait_there(lua_State *lua)
{
	int fd = (int)lua_tointeger(lua, lua_upvalueindex(1)), status;
	pid_t pid = (pid_t)lua_tointeger(lua, lua_upvalueindex(2));
	luaL_Buffer text;
	ssize_t bytes;

	luaL_buffinit(lua, &text);
	while ((bytes = read(fd, luaL_prepbuffer(&text), LUAL_BUFFERSIZE)) > 0)
		luaL_addsize(&text, (size_t)bytes);
	luaL_pushresult(&text);
	close(fd);
	if (waitpid(pid, &status, 0) != pid)
		return luaL_error(lua, "waitpid: %s", strerror(errno));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 1 : lua_error(lua);
}

/* spawn(FUNCTION): runs it on the node; returns a function that waits for its result. */
static int spawn(lua_State *lua)
{
	int ends[2];
	pid_t pid;

	luaL_checktype(lua, 1, LUA_TFUNCTION);
	if (pipe(ends) < 0)
		return luaL_error(lua, "pipe: %s", strerror(errno));
	fflush(stdout); /* else the child has it in its buffer, too */
	pid = rfork(host);
	if (pid == 0) {
		lua_settop(lua, 1);
		answer(lua, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return luaL_error(lua, "%s", rfork_error());
	}
	lua_pushinteger(lua, ends[0]);
	lua_pushinteger(lua, pid);
	lua_pushcclosure(lua, wait_there, 2);
	return 1;
}

int main(int argc, char **argv)
{
	lua_State *lua;

	if (argc != 3) {
		fprintf(stderr, "usage: %s HOST 'CHUNK'\n", argv[0]);
		return 2;
	}
	host = argv[1];
	lua = luaL_newstate();
	if (!lua)
		errx(1, "no memory for Lua");
	luaL_openlibs(lua);
	lua_register(lua, "spawn", spawn);
	if (luaL_dostring(lua, argv[2]) != LUA_OK)
		errx(1, "%s", lua_tostring(lua, -1));
	lua_close(lua);
	return 0;
}
