//! Attribution for trained networks: how much each input, layer or neuron contributed to a prediction.
