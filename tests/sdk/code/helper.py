SAYS = "the helper came along"
