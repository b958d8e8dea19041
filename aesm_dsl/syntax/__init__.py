"""In: a `Source`. Out: a `Tree` (`File`) whose every node knows its place, and findings E1. Knows the two shapes of the
language, none of its words. May import source, diagnostic, and lark (lexer, parse, recover and mistakes alone)."""
