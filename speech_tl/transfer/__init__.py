"""Transfer methods: ways to build a model, named losses, ways to sample; none knows audio or words."""
