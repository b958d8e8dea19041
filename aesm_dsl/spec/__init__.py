"""In: a `Tree`. Out: a `Spec` with every default filled, the places its values came from, and findings E2 and E3.
The only room that knows the words of the language. May import syntax and pydantic."""
