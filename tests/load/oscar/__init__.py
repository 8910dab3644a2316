"""django-oscar, in a virtual environment of its own (var/oscar-venv): how many orders its OrderCreator places a second."""
