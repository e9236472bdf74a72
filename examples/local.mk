# SPDX-License-Identifier: MIT
#
# The examples: built with everything else, never installed.  The renderer needs libpng, the
# interpreters Lua, others C++ or OpenMP.

examples_programs = \
	%D%/01-hello \
	%D%/02-memory \
	%D%/03-errors \
	%D%/04-map \
	%D%/05-pool \
	%D%/06-screen \
	%D%/07-walk \
	%D%/08-survive \
	%D%/16-threads

noinst_PROGRAMS += $(examples_programs)

%C%_01_hello_SOURCES = %D%/01-hello.c
%C%_01_hello_LDADD = librfork.la
%C%_02_memory_SOURCES = %D%/02-memory.c
%C%_02_memory_LDADD = librfork.la
%C%_03_errors_SOURCES = %D%/03-errors.c
%C%_03_errors_LDADD = librfork.la
%C%_04_map_SOURCES = %D%/04-map.c
%C%_04_map_LDADD = librfork.la
%C%_05_pool_SOURCES = %D%/05-pool.c
%C%_05_pool_LDADD = librfork.la
%C%_06_screen_SOURCES = %D%/06-screen.c
%C%_06_screen_LDADD = librfork.la
%C%_07_walk_SOURCES = %D%/07-walk.c
%C%_07_walk_LDADD = librfork.la
%C%_08_survive_SOURCES = %D%/08-survive.c
%C%_08_survive_LDADD = librfork.la

dist_noinst_SCRIPTS += %D%/10-python.py %D%/11-perl.pl

if HAVE_LUA
noinst_PROGRAMS += %D%/09-interpreter %D%/13-lua
endif
%C%_09_interpreter_SOURCES = %D%/09-interpreter.c
%C%_09_interpreter_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS)
%C%_09_interpreter_LDADD = librfork.la $(LUA_LIBS)
%C%_13_lua_SOURCES = %D%/13-lua.c
%C%_13_lua_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS)
%C%_13_lua_LDADD = librfork.la $(LUA_LIBS)

if HAVE_CXX
noinst_PROGRAMS += %D%/12-exceptions
endif
%C%_12_exceptions_SOURCES = %D%/12-exceptions.cc
%C%_12_exceptions_LDADD = librfork.la

# Made for the tests only: the linker has a word to say about names of hosts in static programs.
check_PROGRAMS += %D%/14-static
%C%_14_static_SOURCES = %D%/14-static.c
%C%_14_static_LDADD = librfork.la $(rf_archive_libs)
%C%_14_static_LDFLAGS = -all-static

if HAVE_OPENMP
noinst_PROGRAMS += %D%/15-openmp
endif
%C%_15_openmp_SOURCES = %D%/15-openmp.c
%C%_15_openmp_CFLAGS = $(AM_CFLAGS) $(OPENMP_CFLAGS)
%C%_15_openmp_LDADD = librfork.la

%C%_16_threads_SOURCES = %D%/16-threads.c
%C%_16_threads_CFLAGS = $(AM_CFLAGS) -pthread
%C%_16_threads_LDADD = librfork.la

if HAVE_PNG
noinst_PROGRAMS += %D%/render
endif
%C%_render_SOURCES = \
	%D%/boxes.c \
	%D%/clones.c %D%/clones.h \
	%D%/picture.c %D%/picture.h \
	%D%/render.c \
	%D%/scene.c %D%/scene.h \
	%D%/trace.c %D%/trace.h \
	%D%/vector.h
%C%_render_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPNG_CFLAGS)
%C%_render_LDADD = librfork.la $(LIBPNG_LIBS) -lm

EXTRA_DIST += \
	%D%/17-rust.rs \
	%D%/README.md \
	%D%/scenes/FORMAT.md \
	%D%/scenes/showpiece.scene \
	%D%/scenes/small.scene
